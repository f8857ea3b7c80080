"""Novelty search, its survivors recomputed; what the descriptors keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardlab import load
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.parts.archives.coverage import Coverage
from rewardlab.parts.archives.descriptors import END, Places
from rewardlab.parts.archives.watch import Watch
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.lives import Player
from rewardlab.types import ActionSpec, EnvSpec, Lives

SMALL = ["env=pointplane", "agent=ns", "agent.population=6", "agent.archived=2", "agent.neighbours=3"]


def agent_of(*overrides: str) -> Any:
    return build(compose([*SMALL, *overrides]).config).agent


@pytest.mark.parametrize("pick", ["random", "best"])
def test_the_most_novel_of_parents_and_children_survive(pick: str) -> None:
    agent, rng = agent_of(f"agent.archive_pick={pick}"), np.random.default_rng(3)
    archive: list[np.ndarray] = []
    parents: list[tuple[np.ndarray, np.ndarray]] = []
    for generation in range(4):
        genomes = agent.ask(0.0)
        assert len(genomes) == (12 if generation else 6) and np.abs(genomes).max() <= 5
        places = rng.uniform(-1, 1, (len(genomes), 1, 1, 2))
        paid = np.zeros((len(genomes), 1))
        told = agent.tell(genomes, Lives(paid, paid.astype(int) + 50, paid > 0, {"places": places}))
        everybody = parents + [(genome, place[0, 0]) for genome, place in zip(genomes, places, strict=True)]
        points = [(place + 1) / 2 for _, place in everybody]
        novelties = []
        for i, point in enumerate(points):
            others = [other for j, other in enumerate(points) if j != i] + [(place + 1) / 2 for place in archive]
            novelties.append(np.mean(sorted(np.hypot(*(other - point)) for other in others)[:3]))
        order = sorted(range(len(everybody)), key=lambda i: -novelties[i])[:6]
        survivors = [everybody[i] for i in order]
        kept = zip(agent._search.parents["genomes"], survivors, strict=True)
        assert all(np.array_equal(found, genome) for found, (genome, _) in kept)
        held = agent._search.archive.outcomes["places"][-2:, 0, 0]
        children = [place for _, place in everybody[len(parents) :]]
        assert all(any(np.array_equal(place, child) for child in children) for place in held)
        if pick == "best":
            best = sorted(range(len(parents), len(everybody)), key=lambda i: -novelties[i])[:2]
            assert all(np.array_equal(place, everybody[i][1]) for place, i in zip(held, best, strict=True))
        archive += list(held)
        parents = survivors
        assert told["explore/archive"] == len(archive)
    steps = agent.ask(0.0) - agent._search.parents["genomes"].repeat(2, axis=0)
    assert steps.std() == pytest.approx(0.05, rel=0.05)


def test_places_are_seen_at_their_moments() -> None:
    spec = EnvSpec("x", {}, ActionSpec(n=2), 10, privileged=("position",), place=((-1.0, 0.0), (1.0, 4.0)))
    sampled = Places(spec, "ns", samples=3)
    assert sampled.moments.tolist() == [3, 6, 9, END]
    assert Places(spec, "ns").moments.tolist() == [END]
    watch, asked = Watch(sampled.moments, 2), []
    for step in range(11):  # the second life ends with step 4
        places = np.array([[step / 10, step / 5], [-step / 10, 0.0]])

        def look(rows: np.ndarray, step: int = step, places: np.ndarray = places) -> np.ndarray:
            asked.append((step, rows.tolist()))
            return places[rows]

        watch.see(step, look, np.array([True, step <= 4]), np.array([step == 10, step == 4]))
    assert watch.kept[:, :3].tolist() == [[[0.3, 0.6], [0.6, 1.2], [0.9, 1.8]], [[-0.3, 0.0], [-0.4, 0.0], [-0.4, 0.0]]]
    assert watch.kept[:, 3].tolist() == [[1.0, 2.0], [-0.4, 0.0]]  # where they end
    assert asked == [(3, [0, 1]), (4, [1]), (6, [0]), (9, [0]), (10, [0])]
    none = np.zeros((2, 1))
    described = sampled.describe(sampled.kept(Lives(none, none, none, {"places": watch.kept[:, None]})))
    assert described[0] == pytest.approx([0.65, 0.15, 0.8, 0.3, 0.95, 0.45])


def test_coverage_keeps_the_best_return_of_each_cell_where_lives_end() -> None:
    coverage, rng = Coverage(((-1.0, 0.0), (1.0, 5.0))), np.random.default_rng(0)
    held: dict[tuple[int, int], float] = {}
    for _ in range(3):
        places = rng.uniform((-1.0, 0.0), (1.0, 5.0), (40, 2, 3, 2)).round(1)  # many on the borders of cells
        places[0, 0, 2] = (1.0, 5.0)
        paid = rng.integers(-3, 4, (40, 2)).astype(float)
        coverage.add(places, paid)
        for place, value in zip(places[:, :, 2].reshape(-1, 2), paid.ravel(), strict=True):
            cell = min(int(50 * ((place[0] + 1) / 2)), 49), min(int(50 * (place[1] / 5)), 49)
            held[cell] = max(held.get(cell, -np.inf), value)
    there = np.argwhere(np.isfinite(coverage.best)).tolist()
    assert {(i, j): coverage.best[i, j] for i, j in there} == held
    assert coverage.share == len(held) / 2500 and (49, 49) in held
    assert coverage.qd_score(-3.0) == pytest.approx(sum(value + 3 for value in held.values()))
    assert np.array_equal(coverage.bounds, [[-1, 0], [1, 5]])


def test_validation_plays_as_many_levels_as_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played: list[tuple[int, int]] = []
    play = Player.play

    def noted(self: Player, genomes: Any, levels: Any, keys: Any) -> Any:
        played.append((len(levels), len(set(levels))))
        return play(self, genomes, levels, keys)

    monkeypatch.setattr(Player, "play", noted)
    setting = ["env=empty_5x5", "env.levels=2", "agent=ns", "agent.population=4", "agent.validation=5", "frames=20_000"]
    assert run(compose([*setting, "eval.episodes=2", f"results_dir={tmp_path}"])) == 0
    assert set(played) == {(2, 2), (5, 2)}
    assert load(tmp_path).runs["frames"].item() <= 20_000


def test_it_covers_more_than_chance(tmp_path: Path) -> None:
    for agent in ("ns", "random_search"):
        overrides = ["agent.sigma=0.3"] if agent == "ns" else ["agent.population=100", "agent.episodes=1"]
        setting = ["env=pointplane", f"agent={agent}", *overrides, "frames=200_000", "eval.every=200_000"]
        assert run(compose([*setting, f"results_dir={tmp_path / agent}"])) == 0
    covered = {agent: load(tmp_path / agent).training["explore/coverage"].iloc[-1] for agent in ("ns", "random_search")}
    assert covered["ns"] > covered["random_search"] > 0.05


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env=doorkey_5x5"], "needs the same levels in each; set env.levels=K"),
        (["env=mountaincar"], "needs the same levels in each; set env.levels=K"),
        (["env=deepsea"], "does not tell where the agent is"),
        (["env=doorkey_5x5", "env.levels=30", "frames=7000"], "plays 30 episodes of up to 250 steps"),
        (["env=pointplane", "agent.descriptor=plaice"], "did you mean place?"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["run", "agent=ns", *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
