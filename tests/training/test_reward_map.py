"""The map of a learned reward, against one agent that is put everywhere and does everything, one step at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rewardlab.config.composition import compose
from rewardlab.records.archive import REWARD_MAP, load
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env
from rewardlab.training.levels import evaluation_list
from rewardlab.training.reward_map import reward_map
from rewardlab.types import Transitions

SMALL = ["num_envs=6", "agent.hidden=[8]", "frames=1024", "eval.episodes=4"]


def one_by_one(config, scheme) -> list[tuple[tuple[int, int], float, int, int]]:
    """Of each step that may lead to success: the cell where it ends, its pay, the distances before and after."""
    env: Any = make_level_env(config, ("distance", "agent_pos", "grid"))([[evaluation_list(config)[0]]])
    env.reset([0])
    start, grid = env.take_places(np.zeros(1, int)), env.privileged()["grid"][0]
    found = []
    for x, y in np.argwhere((grid[..., 0] == 1) | (grid[..., 0] == 10)):
        for direction in range(4):
            for action in range(7):
                obs = env.put_places(np.zeros(1, int), start | {"agent": np.array([[x, y, direction]], np.int32)})
                before = int(env.privileged()["distance"][0])
                batch = env.step(np.array([action]))
                after = 0 if batch.success[0] else int(batch.privileged["distance"][0])
                if batch.terminated[0] and not batch.success[0]:
                    continue
                here, there = (
                    {name: torch.from_numpy(entry) for name, entry in each.items()} for each in (obs, batch.next_obs)
                )
                paid = scheme.rewards_of(Transitions(here, torch.tensor([action]), {}, there))["intrinsic"]
                found.append((tuple(batch.privileged["agent_pos"][0]), float(paid), before, after))
    return found


@pytest.mark.parametrize("env", ["doorkey_5x5", "lavagap_s5"])
def test_by_hand(env: str) -> None:
    config = compose([*SMALL, f"env={env}", "reward=progress"]).config
    parts = build(config)
    steps = one_by_one(config, parts.scheme)
    made = reward_map(config, parts)
    assert made is not None
    cells = sorted({cell for cell, *_ in steps})
    assert sorted(map(tuple, np.argwhere(np.isfinite(made["potential"])))) == cells
    for cell in cells:
        paid, left = np.array([(paid, after) for at, paid, _, after in steps if at == cell]).T
        assert made["reward.intrinsic"][cell] == pytest.approx(paid.mean(), abs=1e-5)
        assert made["potential"][cell] == pytest.approx(-left.mean())
    paid, gains = np.array([(paid, before - after) for _, paid, before, after in steps]).T
    assert float(made["steps.intrinsic"]) == pytest.approx(
        spearmanr(paid, gains).statistic, abs=0.01
    )  # ties by rounding
    there = tuple(np.array(cells).T)
    expected = spearmanr(made["reward.intrinsic"][there], made["potential"][there]).statistic
    assert float(made["cells.intrinsic"]) == pytest.approx(expected)
    parts.env.close()


@pytest.mark.parametrize(
    "given", [["barfi"], ["barfi", "agent.memory=gru"], ["explors"], ["preference"], ["rrd"], ["drs"]]
)
def test_a_run_leaves_one(given: list[str], tmp_path) -> None:
    reward, *more = given
    prepared = compose([*SMALL, "env=doorkey_5x5", f"reward={reward}", *more, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    made = load(prepared.folder / REWARD_MAP)
    assert set(made) == {"level", "potential", "reward.intrinsic", "cells.intrinsic", "steps.intrinsic"}
    assert np.nanmax(made["potential"]) == 0.0 and np.isfinite(made["reward.intrinsic"]).sum() >= 4


@pytest.mark.parametrize(
    "given", [["env=doorkey_5x5", "reward=count"], ["env=doorkey_5x5", "reward=rudder"], ["env=deepsea", "reward=rrd"]]
)
def test_others_leave_none(given: list[str]) -> None:
    config = compose([*SMALL, *given]).config
    parts = build(config)
    assert reward_map(config, parts) is None
    parts.env.close()
