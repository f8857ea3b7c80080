"""Walks to places of their own: what is recorded with --from play."""

from pathlib import Path

import numpy as np

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.discovery import load
from rewardlab.envs.levels import Levels
from rewardlab.gridworld.constants import FORWARD, LEFT, RIGHT
from rewardlab.training.recorder import Recording
from rewardlab.types import Episode


def played(folder: Path, choices: list[str], episodes: int, noise: float = 0.0) -> list[Episode]:
    config = compose(choices).config
    assert record(choices, str(folder), Recording("play", episodes, noise=noise, keep="all")) == 0
    spec = load("env", config.env.plugin).make(config.env, Levels(1)).spec
    return DemonstrationFile("agent.demos", str(folder), spec).read().episodes


def bumps(episode: Episode) -> int:
    """Steps into a wall, which no shortest way has."""
    moved = (episode.obs["achieved"] != episode.next_obs["achieved"]).any(dim=1)
    return int((~moved & (episode.action == FORWARD)).sum())


def cells(episode: Episode) -> int:
    return len(np.unique(episode.obs["achieved"].numpy(), axis=0))


def test_cells_are_gone_to_the_shortest_way_and_goals_are_met_by_chance(tmp_path: Path) -> None:
    straight, strayed = (played(tmp_path / str(noise), ["env=goalgrid_fourrooms"], 12, noise) for noise in (0.0, 0.3))
    steps, gone = (sum(map(count, straight)) for count in (len, cells))
    assert sum(map(bumps, straight)) == 0 < sum(map(bumps, strayed))
    assert gone > 0.3 * steps and sum(bool(episode.success) for episode in straight) < 8
    turns = sum(int((episode.action[:-1] + episode.action[1:] == LEFT + RIGHT).sum()) for episode in straight)
    back = sum(int(((e.action[:-1] == FORWARD) | (e.action[1:] == FORWARD)).sum()) for e in straight)
    assert turns < 0.05 * steps < back  # a new way may begin with the turn back
    share = sum(map(cells, strayed)) / sum(map(len, strayed))
    assert share > 0.4 * gone / steps  # ways go on after a stray


def test_a_ball_is_pushed_through_the_maze(tmp_path: Path) -> None:
    """All seven cells of the U, and from one arm to the other each time, with a fifth of the pushes at random."""
    episodes = played(tmp_path / "play", ["env=pointmaze_umaze", "env.ends=false"], 3, 0.2)
    places = [episode.obs["achieved"].numpy() for episode in episodes]
    assert len(np.unique(np.round(np.concatenate(places)), axis=0)) == 7
    assert all(float(episode.action.abs().max()) <= 1.0 and len(episode) == 300 for episode in episodes)
    arms = [np.sign(place[np.abs(place[:, 1]) > 0.5, 1]) for place in places]
    assert all((np.diff(arm) != 0).any() for arm in arms)
