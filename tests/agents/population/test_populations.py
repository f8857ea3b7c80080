"""Populations as runs: budgets, levels, continuations, refusals; and the genetic algorithm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab import load, load_individual
from rewardlab.agents.population.base import PopulationAgent
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.parts.archives.seed_chain import chains_of, rebuilt
from rewardlab.records.archive import ARCHIVE, save
from rewardlab.records.archive import load as load_archive
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
    "agent.validation=0",
    "frames=20_000",
    "eval.every=5000",
    "eval.episodes=4",
]
AGENTS = [
    "random_search",
    "ga",
    "ga agent.validation=3 agent.parents=3",
    "ga env=gym env.id=CartPole-v1",
    "es agent.validation=1 env=pointplane agent.normalise=running",
    "ns_es agent.validation=1 env=pointplane",
    "ga_ns env=pointplane agent.archive_chance=0.2",
    "taxons env=pointplane agent.lesson=40 agent.epochs=3 checkpoint.every=2000",
]
AGENTS += [f"{name} env=gym env.id=Pendulum-v1 env.noise=0.2" for name in ("cma_es", "open_loop")]


def rows(folder: Path) -> Any:
    found = load(folder)
    return [
        table.drop(columns=["wall_seconds", "cpu_seconds", "fps"], errors="ignore").fillna(-1.0)
        for table in (found.training, found.evaluations)
    ]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_interrupted_run_goes_on_exactly(agent: str, tmp_path: Path, fault: Callable[..., Any]) -> None:
    """A fault within the fourth generation; the checkpoint is of an earlier one."""
    setting = [*TINY, *f"agent={agent}".split(), "checkpoint.every=4000"]
    assert run(compose([*setting, f"results_dir={tmp_path / 'unbroken'}"])) == 0
    broken = [*setting, f"results_dir={tmp_path / 'broken'}"]
    with fault(Player, "play", 4):
        assert run(compose(broken)) == 1
    assert run(compose(broken)) == 0
    for one, other in zip(rows(tmp_path / "unbroken"), rows(tmp_path / "broken"), strict=True):
        assert one.drop(columns="run", errors="ignore").equals(other.drop(columns="run", errors="ignore"))
    kept = [next((tmp_path / name).rglob(ARCHIVE)).read_bytes() for name in ("unbroken", "broken")]
    assert kept[0] == kept[1]


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
    archive = load_archive(next(tmp_path.rglob(ARCHIVE)))
    validated = [lives for lives in lived if lives.length.shape[1] == 3]
    assert archive["champion_return"] == validated[-1].fitness.max()
    assert frames == load(tmp_path).runs["frames"].item() <= 20_000
    assert frames > 20_000 - 2 * 100 - 3 * 100 * 4  # what is left is less than a life may take
    assert len({tuple(seeds) for seeds in levels}) == len(levels)  # new ones each generation


def test_a_run_keeps_its_champion_and_when_it_was_first_paid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lived: list[tuple[np.ndarray, Lives]] = []
    play = Player.play

    def noted(self: Player, genomes: Any, seeds: Any, keys: Any) -> Any:
        found = play(self, genomes, seeds, keys)
        lived.append((genomes.copy(), found[0]))
        return found

    monkeypatch.setattr(Player, "play", noted)
    assert run(compose([*TINY, "agent=random_search", f"results_dir={tmp_path}"])) == 0
    archive = load_archive(next(tmp_path.rglob(ARCHIVE)))
    best, born, count, frames, first = -1.0, 0, 0, 0, None
    for genomes, lives in lived:
        for genome, paid, length in zip(genomes, lives.task_return, lives.length, strict=True):
            count += 1
            if paid.mean() > best:
                best, born, champion = paid.mean(), count, genome
            for one, steps in zip(paid, length, strict=True):
                frames += steps
                if one > 0 and first is None:
                    first = (count, frames)
    assert np.array_equal(archive["champion"], champion) and np.array_equal(archive["genomes"], champion[None])
    assert (archive["champion_return"], archive["champion_born"]) == (best, born)
    told = load(tmp_path).training.iloc[-1]
    assert first == (told["explore/evaluations_to_reward"], told["explore/frames_to_reward"])
    reached = np.argwhere(np.isfinite(archive["map"]))
    assert told["explore/coverage"] == len(reached) / 2500 and archive["whole"].tolist() == [5, 5]
    assert told["explore/qd_score"] == pytest.approx(np.nansum(archive["map"])) and archive["downwards"]
    assert {tuple(cell) for cell in reached.tolist()} <= {(i, j) for i in (12, 25, 37) for j in (12, 25, 37)}


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
        returns = np.arange(12.0)[:, None] + np.full((12, 2), generation)
        agent.tell(genomes, Lives(returns, np.ones((12, 2), dtype=int), returns > 0))
        parents = genomes[[11, 10]]
    assert len(agent._best_chains[0].mutations) == 3


@pytest.mark.parametrize("validation", [0, 2])
def test_a_champion_that_is_not_among_the_best_takes_the_place_of_the_last(validation: int) -> None:
    setting = [*TINY, "agent=ga", "agent.parents=3", f"agent.validation={validation}"]
    agent: Any = build(compose(setting).config).agent
    champion = np.zeros(0)
    for generation, highest in enumerate((5.0, 2.0, 3.0, 9.0)):
        genomes = agent.ask(0.0)
        returns = np.linspace(0, highest, 12)[:, None] + np.zeros((12, 2))
        agent.tell(genomes, Lives(returns, np.ones((12, 2), dtype=int), returns > 0))
        best = genomes[[11, 10, 9]]
        if validation:  # the old champion, or in the last generation the seventh best, is the best of all once more
            again = np.zeros((len(agent.contenders), 2))
            again[0 if generation < 3 else 7] = highest
            agent.crown(Lives(again, np.ones_like(again, dtype=int), again > 0))
        if generation == 0:
            champion = genomes[11]
        if generation == 3:
            champion = genomes[5 if validation else 11]
        assert np.array_equal(agent.champion, champion)
        expected = best if generation == 0 or (generation == 3 and not validation) else [*best[:2], champion]
        weights, chains, _ = agent._parents()
        assert np.array_equal(weights, expected)
        assert [rebuilt(chain, agent.genome).tobytes() for chain in chains] == [row.tobytes() for row in weights]
        kept = agent.collection()
        flat = {name: torch.from_numpy(kept[name]) for name in ("first", "lengths", "seeds", "sigmas")}
        assert chains_of(flat) == chains and len(kept["returns"]) == 3
    children = agent.ask(0.0)
    gaps = np.stack([children - parent for parent in expected])
    assert set(np.abs(gaps).sum(axis=2).argmin(axis=0).tolist()) == {0, 1, 2}
    assert [rebuilt(chain, agent.genome).tobytes() for chain in agent._asked] == [row.tobytes() for row in children]


def test_parents_by_novelty_are_far_from_the_generation_and_the_archive() -> None:
    setting = ["env=pointplane", "agent=ga_ns", "agent.population=9", "agent.parents=2", "agent.neighbours=3"]
    agent: Any = build(compose([*setting, "agent.archive_chance=0.3"]).config).agent
    rng, archive = np.random.default_rng(0), np.zeros((0, 2))
    for _ in range(5):
        genomes, places = agent.ask(0.0), rng.uniform(-1, 1, (9, 1, 1, 2))
        paid = rng.random((9, 1))
        agent.tell(genomes, Lives(paid, np.ones((9, 1), dtype=int), paid > 2, {"places": places}))
        points = (places[:, 0, 0] + 1) / 2
        novelties = []
        for i, point in enumerate(points):
            others = [*np.delete(points, i, axis=0), *archive]
            novelties.append(np.mean(sorted(np.hypot(*(other - point)) for other in others)[:3]))
        assert np.array_equal(agent._parents()[0], genomes[np.argsort(novelties)[:-3:-1]])
        held = len(archive)
        archive = np.concatenate([archive, (agent._archive.outcomes["places"][len(archive) :, 0, 0] + 1) / 2])
        assert all((np.abs(points - place).sum(axis=1) < 1e-12).any() for place in archive[held:])
    assert 3 < len(archive) < 27


def test_an_individual_is_rebuilt_from_its_seeds(tmp_path: Path) -> None:
    prepared = compose([*TINY, "agent=ga", "frames=3000", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    agent: Any = build(prepared.config).agent
    for _ in range(3):
        genomes = agent.ask(0.0)
        agent.tell(genomes, Lives(np.ones((12, 2)), np.ones((12, 2), dtype=int), np.ones((12, 2), dtype=bool)))
    save(prepared.folder / ARCHIVE, agent.collection())
    for number, weights in enumerate(agent._parents()[0]):
        assert np.array_equal(load_individual(prepared.folder, number).champion, weights)


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
