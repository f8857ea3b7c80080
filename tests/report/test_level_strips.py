"""The picture strip of levels that a designer chose: what is drawn, and levels of unknown origin."""

import json
import re

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab.records.archive import LEVELS, save
from rewardlab.report.pages.level_strips import drawn
from rewardlab.report.reading.level_strip import read_strip
from rewardlab.report.reading.plain import Unreadable

MOMENTS, AT_ONCE, SIDE = 3, 2, 4


def _levels(**other):
    rng = np.random.default_rng(0)
    shape = (MOMENTS, AT_ONCE)
    found = {"frames": np.arange(MOMENTS) * 5_000, "origin": np.zeros(MOMENTS, np.int64)}
    found |= {"walls": rng.random((*shape, SIDE, SIDE)) < 0.3, "start": rng.integers(SIDE**2, size=shape)}
    found |= {"heading": rng.integers(4, size=shape), "goal": rng.integers(SIDE**2, size=shape)}
    return {name: entry for name, entry in (found | other).items() if entry is not None}


def test_outlines_are_the_walls_cell_by_cell():
    walls = np.random.default_rng(1).random((5, 7)) < 0.5
    found = np.zeros_like(walls)
    one = drawn(walls, 8, 3, 20)
    for x, y, across in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", one.walls):
        assert not found[int(y), int(x) : int(x) + int(across)].any()
        found[int(y), int(x) : int(x) + int(across)] = True
    assert (found == walls).all()
    assert (one.width, one.height) == (7, 5)
    assert one.agent.startswith("M1 1m") and one.goal.startswith("M6 2h")


def test_the_page_has_a_strip_for_each_method_that_tells(tmp_path):
    results = tmp_path / "results"
    for seed in range(2):
        save(write_run(results, reward="rnd", seed=seed) / LEVELS, _levels())
        write_run(results, reward="none", seed=seed)
    result = make(results)
    page = (result.out / "report.html").read_text()
    assert 'data-chart="levels"' not in page
    (strip,) = re.findall(r'<table class="strip">.*?</table>', page, re.S)
    assert strip.count("<svg") == MOMENTS * AT_ONCE
    assert [text for text in re.findall(r"</svg>([^<]+)</td>", strip)] == ["0", "5k", "10k"]
    assert "Designed levels" in page
    without = make(results, out=tmp_path / "other", filters=("reward=none",))
    assert 'class="strip"' not in (without.out / "report.html").read_text()


def test_what_training_tells_of_levels_is_drawn(tmp_path):
    training = {"frames": [4_000, 8_000, 12_000], "levels/regret": [0.8, 0.6, 0.4], "levels/rank_pvl": [-0.5, 0.0, 0.5]}
    for seed in range(2):
        write_run(tmp_path / "results", reward="rnd", seed=seed, training=training)
    result = make(tmp_path / "results")
    assert (result.out / "figures" / "levels_doorkey_5x5.png").exists()
    page = (result.out / "report.html").read_text()
    drawn_ = re.findall(r'data-chart="levels" data-env="0" data-key="([^"]+)"', page)
    assert drawn_ == ["levels:regret", "levels:rank_pvl"]
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[1])
    (curve,) = [each for each in data["envs"][0]["curves"] if each["metric"] == "levels:regret"]
    assert curve["y"][0] == pytest.approx(0.8) and curve["y"][-1] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"walls": None}, "no mazes"),
        ({"walls": np.zeros((MOMENTS, AT_ONCE, SIDE, SIDE))}, "no mazes"),
        ({"start": np.full((MOMENTS, AT_ONCE), SIDE**2)}, "no mazes"),
        ({"heading": np.full((MOMENTS, AT_ONCE), 4)}, "no mazes"),
        ({"goal": np.zeros((MOMENTS, 1), np.int64)}, "no mazes"),
        ({"frames": np.zeros(MOMENTS)}, "no mazes"),
        ({"walls": np.zeros((MOMENTS, AT_ONCE, 102, 2), bool)}, "no mazes"),
        ({"frames": np.full(MOMENTS, -1)}, "no mazes"),
        (b"PK\x03\x04 nothing", "cannot be read"),
    ],
)
def test_levels_of_others_are_no_danger(tmp_path, wrong, why):
    if isinstance(wrong, bytes):
        (tmp_path / LEVELS).write_bytes(wrong)
    else:
        save(tmp_path / LEVELS, _levels(**wrong))
    with pytest.raises(Unreadable, match=why):
        read_strip(tmp_path, tmp_path)
