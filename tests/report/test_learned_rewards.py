"""What a report and `show` tell of learned rewards: rank correlations over training, maps of a level."""

import json
import re

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab.cli import main
from rewardlab.records.archive import REWARD_MAP, save
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.reward_map import read_reward_map, shares

POTENTIAL = np.array([[np.nan, -3.0, -2.0], [np.nan, -1.0, 0.0]])  # W = 2, H = 3
LEARNED = np.array([[np.nan, 0.1, 0.4], [np.nan, 0.3, 0.5]])


def learned(folder, reward, seed, rank):
    """A run of ten rows of train.csv, of which every other one has a rank correlation."""
    frames = (np.arange(10) + 1) * 3_000
    every_other = np.where(np.arange(10) % 2 == 0, rank, np.nan)
    training = {
        "frames": frames.tolist(), "reward/task_mean": [0.0] * 10, "reward/intrinsic_mean": [0.1] * 10,
        "reward/intrinsic_rank": every_other.tolist(), "reward/intrinsic_rank_left": (-every_other).tolist(),
    }  # fmt: skip
    where = write_run(folder, reward=reward, seed=seed, training=training)
    arrays = {"level": np.array(7), "potential": POTENTIAL, "reward.intrinsic": LEARNED}
    save(where / REWARD_MAP, arrays | {"cells.intrinsic": np.array(0.8), "steps.intrinsic": np.array(np.nan)})
    return where


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "results"
    for seed in range(3):
        learned(folder, "progress", seed, 0.2 + 0.1 * seed)
        write_run(folder, reward="none", seed=seed)
    return folder


def page_of(out):
    text = (out / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    return text, json.loads(found[1]) if found else {}


def test_figures_and_page(study, tmp_path):
    result = make(study, out=tmp_path / "report")
    stems = {f"{stem}_doorkey_5x5.{form}" for stem in ("learned", "reward_map") for form in ("png", "svg", "pdf")}
    assert stems <= {path.name for path in (result.out / "figures").iterdir()}
    text, page = page_of(result.out)
    assert "Learned against true rewards" in text
    ranks = {each["metric"]: each for each in page["envs"][0]["curves"] if each["metric"].startswith("rank")}
    assert set(ranks) == {"rank", "rank_left"} and ranks["rank"]["name"] == "progress"
    assert ranks["rank"]["y"][0] == pytest.approx(0.3) and ranks["rank_left"]["y"][0] == pytest.approx(-0.3)
    true, map_ = page["rewards"]
    assert true["name"] == "true potential" and map_["name"] == "progress: 0.80"
    assert true["z"] == [[None, None], [0.0, 0.6667], [0.3333, 1.0]] and true["values"][2] == [-2.0, 0.0]
    assert map_["z"] == [[None, None], [0.0, 0.3333], [0.6667, 1.0]]


def test_runs_without_any(tmp_path):
    for seed in range(2):
        write_run(tmp_path / "results", reward="none", seed=seed)
    result = make(tmp_path / "results", out=tmp_path / "report")
    text, page = page_of(result.out)
    assert "Learned against true rewards" not in text and "rewards" not in page
    assert not list(result.out.glob("**/reward_map*")) and not list(result.out.glob("**/learned_*"))


def test_show(study, capsys):
    run = next(iter(sorted((study / "runs/doorkey_5x5/progress").glob("*/*"))))
    assert main(["show", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "learned reward intrinsic (left), true potential (right); rank correlation over cells 0.80\n" in shown
    assert "  ····    ····\n  ▁▁▃▃    ▁▁▆▆\n  ▆▆██    ▃▃██\n  0.1 to 0.5    -3 to 0\n" in shown
    assert "rank, true reward: intrinsic" in shown and "rank, nearness: intrinsic" in shown


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"reward.intrinsic": np.zeros((2, 2))}, "no map"),
        ({"potential": np.zeros(3)}, "no map"),
        ({"potential": np.zeros((2, 3), np.int64)}, "no map"),
        ({"cells.intrinsic": np.zeros(2)}, "no map"),
        ({"potential": np.zeros((200, 200)), "reward.intrinsic": np.zeros((200, 200))}, "too large"),
        ({"reward.intrinsic": None}, "no map"),
        (b"PK\x03\x04 nothing", "cannot be read"),
    ],
)
def test_maps_of_others_are_no_danger(tmp_path, capsys, wrong, why):
    run = learned(tmp_path / "results", "progress", 0, 0.5)
    if isinstance(wrong, bytes):
        (run / REWARD_MAP).write_bytes(wrong)
    else:
        arrays = {"potential": POTENTIAL, "reward.intrinsic": LEARNED}
        arrays |= {f"{kind}.intrinsic": np.array(0.5) for kind in ("cells", "steps")} | wrong
        save(run / REWARD_MAP, {name: each for name, each in arrays.items() if each is not None})
    with pytest.raises(Unreadable, match=why):
        read_reward_map(run, tmp_path)
    assert main(["show", str(run)]) == 0 and "learned reward" not in capsys.readouterr().out


def test_shares_by_hand():
    np.testing.assert_array_equal(shares(np.array([[3.0, np.nan], [1.0, 3.0]])), [[0.75, np.nan], [0.0, 0.75]])
    np.testing.assert_array_equal(shares(np.array([[2.0, 2.0]])), [[0.5, 0.5]])
