"""Rank correlations of learned rewards with true ones, against scipy's, and against steps counted in another way."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rewardlab.config.composition import compose
from rewardlab.records import archive
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.training import learned_ranks
from rewardlab.training.build import build
from rewardlab.training.learned_ranks import LearnedRanks
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning

GRID = ["env=doorkey_5x5", "num_envs=8", "frames=4096", "eval.every=1024", "eval.episodes=4", "agent.hidden=[8]"]
MIX = ["reward=mix", "reward.schemes.count=null", "reward.schemes.rnd=null"]
COLUMNS = ("reward/intrinsic_rank", "reward/intrinsic_rank_left")


def test_the_distance_that_steps_take_off() -> None:
    """pbrs beside has distances measured at every step; the ranks measure them apart."""
    given = [*MIX, "+reward@reward.schemes.progress=progress", "+reward@reward.schemes.pbrs=pbrs"]
    config = compose([*GRID, "env.levels=3", *given]).config
    parts = build(config)
    learning = make_learning(config, parts)
    assert learning.metrics == ("reward/progress_rank", "reward/progress_rank_left")
    played: list[list[np.ndarray]] = []
    ranked = learning.ranked

    def watched(rollout, signals):
        before, after = (facts["distance"] for facts in (rollout.current_privileged, rollout.privileged))
        after = torch.where(rollout.success, torch.zeros_like(after), after)
        known = ~(rollout.done & ~rollout.terminated)
        played.append([each[known].numpy().copy() for each in (signals.streams["progress"], before - after, -after)])
        return ranked(rollout, signals)

    learning.ranked = watched
    told: dict[str, float] = {}
    for spent in range(0, 2048, 256):
        assert "reward/progress_rank" not in told
        _, metrics = learning.iterate(spent)
        told = {name: value for each in metrics for name, value in each.items()}
    learned, gains, near = (np.concatenate(each) for each in zip(*played, strict=True))
    assert 1900 < len(learned) < 2048  # the last steps of episodes that a limit ended are left out
    assert told["reward/progress_rank"] == pytest.approx(spearmanr(learned, gains).statistic)
    assert told["reward/progress_rank_left"] == pytest.approx(spearmanr(learned, near).statistic)
    parts.env.close()


def faked(earned, done, learned, steps_at_once) -> list[dict[str, float]]:
    """What is told of steps [T, N] that no distances are known of, handed over piece by piece."""
    parts: Any = SimpleNamespace(
        env=SimpleNamespace(spec=SimpleNamespace(restorable=False, noisy=False, privileged=())),
        scheme=SimpleNamespace(learned_streams=lambda: ("intrinsic",)),
        designer=None,
        privileges=None,
        curriculum=None,
        conditioner=None,
    )
    config: Any = SimpleNamespace(eval=SimpleNamespace(every=10**6))
    ranks = LearnedRanks(config, parts)
    assert ranks.metrics == COLUMNS[:1]
    found = []
    for start in range(0, len(earned), steps_at_once):
        part = slice(start, start + steps_at_once)
        ranks.begin(start * earned.shape[1])
        none = torch.zeros_like(done[part])
        rollout: Any = SimpleNamespace(action=none.long(), done=done[part], success=none, terminated=none)
        found.append(ranks.add(rollout, SimpleNamespace(streams={"intrinsic": learned[part]}), earned[part]))
    return [each for each in found if each]


def made_up(paid: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    earned = torch.from_numpy((rng.random((512, 4)) < paid) * rng.normal(size=(512, 4))).float()
    done = torch.from_numpy(rng.random((512, 4)) < 0.02)
    return earned, done, torch.from_numpy(rng.normal(size=(512, 4))).float() + earned


def test_what_tasks_often_pay_is_compared_step_by_step() -> None:
    earned, done, learned = made_up(paid=0.5)
    (found,) = faked(earned, done, learned, 64)
    assert found[COLUMNS[0]] == pytest.approx(spearmanr(learned.flatten(), earned.flatten()).statistic)


def test_what_tasks_seldom_pay_is_summed_to_the_ends_of_episodes() -> None:
    earned, done, learned = made_up(paid=0.05)
    (found,) = faked(earned, done, learned, 128)
    pairs = []
    for env in range(4):
        ends = np.flatnonzero(done[:, env])
        for step in range(512):
            if (later := ends[ends >= step]).size:
                pairs.append((learned[step, env], earned[step : later[0] + 1, env].sum(dtype=torch.float64)))
    assert 1500 < len(pairs) < 2048
    assert found[COLUMNS[0]] == pytest.approx(spearmanr(*np.array(pairs).T).statistic, abs=1e-6)


def test_a_delayed_reward_is_compared_before_its_delay() -> None:
    """A scheme that pays what the environment does, which the learner is not told: the ranks are the same."""
    given = ["env=gym", "env.id=MountainCarContinuous-v0", "env.delayed_reward=true", "num_envs=4", "frames=4096"]
    config = compose([*given, "reward=rrd", "agent.rollout_steps=512", "agent.hidden=[8]"]).config
    parts = build(config)
    learning = make_learning(config, parts)
    rollout = learning.collect(0, 512)
    earned = learning.collector.earned(rollout)
    assert not rollout.task_reward.any() and (earned < 0).all()
    told = learning.ranked(rollout, SimpleNamespace(streams={"intrinsic": earned}))
    assert told == {COLUMNS[0]: pytest.approx(1.0)}
    parts.env.close()


def test_an_interrupted_recording_goes_on(tmp_path, fault, monkeypatch) -> None:
    monkeypatch.setattr(learned_ranks, "APART", 1024)
    options = [*GRID, "reward=progress", "agent.rollout_steps=32", "checkpoint.every=256"]
    whole, broken = (compose([*options, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 6):  # the first recording takes eight
        assert run(broken) == 1
    assert run(broken) == 0
    tables = [read_columns(each.folder / "train.csv") for each in (whole, broken)]
    for column in COLUMNS:
        assert np.isfinite(tables[0][column]).sum() == 2
        np.testing.assert_array_equal(*(table[column] for table in tables))


def test_large_tasks_have_no_number_and_runs_go_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(learned_ranks, "PATIENCE", 1000)
    monkeypatch.setattr("rewardlab.training.reward_map.PATIENCE", 1000)
    prepared = compose([*GRID, "reward=progress", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    assert not np.isfinite(read_columns(prepared.folder / "train.csv")[COLUMNS[0]]).any()
    assert not (prepared.folder / archive.REWARD_MAP).exists()


@pytest.mark.parametrize(
    ("given", "every", "alone"),
    [
        (["reward=none"], (), ()),
        (["reward=count"], (), ()),
        (["reward=pbrs"], (), ()),
        (["reward=progress"], ("intrinsic",), ("intrinsic",)),
        (["reward=progress", "reward.transform=[clip:0.1]"], ("intrinsic",), ("intrinsic",)),
        (["reward=progress", "reward.transform=[at_end]"], ("intrinsic",), ()),
        (["reward=rudder"], ("intrinsic",), ()),
        ([*MIX, "+reward@reward.schemes.a=rrd", "+reward@reward.schemes.b=count"], ("a",), ("a",)),
        ([*MIX, "+reward@reward.schemes.a=rrd", "+reward@reward.schemes.b=explors",
          "reward.combine=harmonic"], ("combined",), ("combined",)),
        ([*MIX, "+reward@reward.schemes.a=rrd", "+reward@reward.schemes.b=count",
          "reward.combine=harmonic"], (), ()),
    ],
)  # fmt: skip
def test_which_streams_stand_for_the_reward(given, every, alone) -> None:
    parts = build(compose([*GRID, *given]).config)
    assert (parts.scheme.learned_streams(), parts.scheme.learned_streams(alone=True)) == (every, alone)
    parts.env.close()
