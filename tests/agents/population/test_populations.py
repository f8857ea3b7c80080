"""Populations as runs: budgets, levels, continuations, refusals; and the genetic algorithm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardlab import load
from rewardlab.agents.population.base import PopulationAgent
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.parts.archives.seed_chain import rebuilt
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.levels import training_levels
from rewardlab.training.lives import Player
from rewardlab.types import Lives

TINY = [
    "env=empty_5x5",
    "agent.population=12",
    "agent.episodes=2",
    "frames=20_000",
    "eval.every=5000",
    "eval.episodes=4",
]
AGENTS = ["random_search", "ga", "ga agent.validation=3 agent.parents=3", "ga env=gym env.id=CartPole-v1"]


def rows(folder: Path) -> Any:
    found = load(folder)
    return [
        table.drop(columns=["wall_seconds", "cpu_seconds", "fps"], errors="ignore").fillna(-1.0)
        for table in (found.training, found.evaluations)
    ]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_interrupted_run_goes_on_exactly(agent: str, tmp_path: Path, fault: Callable[..., Any]) -> None:
    """A fault within the fourth generation; the checkpoint is of an earlier one."""
    first, *more = f"agent={agent}".split()
    setting = [*TINY, first, *more, "checkpoint.every=4000"]
    assert run(compose([*setting, f"results_dir={tmp_path / 'unbroken'}"])) == 0
    broken = [*setting, f"results_dir={tmp_path / 'broken'}"]
    with fault(Player, "play", 4):
        assert run(compose(broken)) == 1
    assert run(compose(broken)) == 0
    for one, other in zip(rows(tmp_path / "unbroken"), rows(tmp_path / "broken"), strict=True):
        assert one.drop(columns="run", errors="ignore").equals(other.drop(columns="run", errors="ignore"))


def test_frames_are_the_steps_of_lives_and_fit_the_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lived: list[Lives] = []
    play = Player.play
    levels: list[list[int]] = []

    def noted(self: Player, genomes: Any, seeds: Any, keys: Any) -> Any:
        found = play(self, genomes, seeds, keys)
        lived.append(found[0])
        levels.append(list(seeds))
        return found

    monkeypatch.setattr(Player, "play", noted)
    assert run(compose([*TINY, "agent=ga", "agent.validation=3", f"results_dir={tmp_path}"])) == 0
    frames = sum(int(lives.length.sum()) for lives in lived)
    assert frames == load(tmp_path).runs["frames"].item() <= 20_000
    assert frames > 20_000 - 2 * 100 - 3 * 100 * 4  # what is left is less than a life may take
    assert len({tuple(seeds) for seeds in levels}) == len(levels)  # new ones each generation


def test_fixed_levels_are_played_by_all(tmp_path: Path) -> None:
    config = compose([*TINY, "agent=ga", "env.levels=2", "agent.episodes=4", f"results_dir={tmp_path}"]).config
    learning: Any = make_learning(config, build(config))
    levels = learning._levels("generation/0", 4, np.random.default_rng(0))
    assert sorted(levels) == sorted(2 * (training_levels(config) or []))


def test_children_are_mutated_parents_and_chains_give_their_weights() -> None:
    config = compose([*TINY, "agent=ga", "agent.parents=2", "agent.sigma=0.5"]).config
    agent: Any = build(config).agent
    parents = np.zeros((2, agent.genome.size), dtype=np.float32)
    for generation in range(4):
        genomes = agent.ask(0.0)
        assert [rebuilt(chain, agent.genome).tobytes() for chain in agent._asked] == [row.tobytes() for row in genomes]
        if generation:
            steps = np.stack([genomes - parent for parent in parents])
            nearest = np.abs(steps).sum(axis=2).argmin(axis=0)
            taken = steps[nearest, np.arange(12)]
            assert set(nearest.tolist()) == {0, 1}  # both have children, with one chance in 2,048 not
            assert taken.std() == pytest.approx(0.5, rel=0.02) and abs(taken.mean()) < 0.02
        returns = np.arange(12.0)[:, None] + np.zeros((12, 2))
        agent.tell(genomes, Lives(returns, np.ones((12, 2), dtype=int), returns > 0))
        parents = genomes[[11, 10]]
    assert len(agent._chains[0].mutations) == 3


def test_the_champion_stays_among_the_parents_and_is_validated() -> None:
    config = compose([*TINY, "agent=ga", "agent.parents=2", "agent.validation=5"]).config
    agent: PopulationAgent = build(config).agent  # type: ignore[assignment]
    genomes = agent.ask(0.0)  # type: ignore[attr-defined]
    flat = np.zeros((12, 2))
    flat[3] = 1.0
    agent.tell(genomes, Lives(flat, np.ones((12, 2), dtype=int), flat > 0))  # type: ignore[attr-defined]
    assert len(agent.contenders) == 10 and np.array_equal(agent.contenders[0], genomes[3])
    again = np.zeros((10, 5))
    again[4] = 0.5
    expected = agent.contenders[4].copy()
    agent.crown(Lives(again, np.ones((10, 5), dtype=int), again > 0))
    assert np.array_equal(agent.champion, expected) and not len(agent.contenders)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["reward=count"], "agent=ga: ranks whole lives by the task's own return: use reward=none and curriculum=none"),
        (["curriculum=amigo"], "reward=none and curriculum=none"),
        (["frames=100"], "frames=200 or more"),
        (["agent.hidden=[0]"], "hidden=[0]: widths must be at least 1"),
        (["agent.parents=13"], "parents=13: more than population=12"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["run", *TINY, "agent=ga", *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
