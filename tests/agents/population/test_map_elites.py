"""MAP-Elites and its emitters: what ranks samples, when they begin anew, what they cover."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab import load, load_archive, load_individual
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.parts.archives import emitters
from rewardlab.parts.archives.emitters import CmaEmitter, isoline_mutants, mutants
from rewardlab.parts.archives.grid_archive import Added, GridArchive
from rewardlab.records import archive
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env


def full(size: int = 3) -> GridArchive:
    archive = GridArchive(4, 2, size)
    rng = np.random.default_rng(0)
    archive.add(rng.standard_normal((40, size)).astype(np.float32), rng.random(40), rng.random((40, 2)))
    return archive


def test_mutants_are_elites_with_noise() -> None:
    archive, rng = full(400), np.random.default_rng(1)
    steps = mutants(archive, 50, 0.3, rng)[:, None] - archive.genomes
    nearest = np.take_along_axis(steps, (steps**2).sum(axis=2).argmin(axis=1)[:, None, None], axis=1)[:, 0]
    assert nearest.std() == pytest.approx(0.3, rel=0.02)
    children = isoline_mutants(archive, 200, rng)
    elites = archive.genomes.astype(np.float64)
    for child in children[:20]:  # near a line through two elites
        gaps = [
            np.linalg.norm((child - a) - ((child - a) @ (b - a)) / ((b - a) @ (b - a)) * (b - a))
            for i, a in enumerate(elites)
            for j, b in enumerate(elites)
            if i != j
        ]
        assert min(gaps) < 3 * 0.01 * np.sqrt(400)


@pytest.mark.parametrize(
    ("ranker", "expected"),
    [
        ("two_stage", [2, 0, 4, 3, 1]),  # new by gain, then improved by gain, then the rest
        ("improvement", [4, 2, 0, 3, 1]),
        ("objective", [4, 3, 2, 1, 0]),
        ("random_direction", [0, 2, 3, 4, 1]),
    ],
)
def test_what_ranks_samples(ranker: str, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[np.ndarray] = []
    monkeypatch.setattr(emitters.CmaEs, "tell", lambda self, parents: told.append(parents))
    rng = np.random.default_rng(0)
    emitter = CmaEmitter(np.zeros(3), 0.5, ranker, False, 2, rng)
    emitter._direction = np.array([1.0, 0.0])
    samples = np.arange(15.0).reshape(5, 3)
    values = np.arange(5.0)
    added = Added(np.array([2, 0, 2, 1, 1]), np.array([0.2, -1.0, 0.3, 0.1, 0.9]))
    points = np.array([[0.9, 0], [1.0, 0], [0.1, 0], [0.8, 0], [0.2, 0]])
    emitter.tell(samples, values, points, added, full(), rng)
    assert told[0].tolist() == samples[expected[:2]].tolist()  # the better half
    emitter._filter = True
    emitter.tell(samples, values, points, added, full(), rng)
    assert told[1].tolist() == samples[[i for i in expected if i != 1]].tolist()


def test_an_emitter_begins_anew_from_an_elite() -> None:
    rng, archive = np.random.default_rng(0), full()
    emitter = CmaEmitter(np.zeros(3), 0.5, "two_stage", True, 2, rng)
    samples, points, values = emitter.ask(6, rng), rng.random((6, 2)), rng.random(6)
    assert not emitter.tell(samples, values, points, Added(np.full(6, 1), rng.random(6)), archive, rng)
    moved = emitter._es.mean.copy()
    assert moved.any() and emitter._es.generation == 1
    assert emitter.tell(samples, values, points, Added(np.zeros(6, int), rng.random(6)), archive, rng)
    assert emitter._es.generation == 0 and emitter._es.sigma == 0.5
    assert (np.abs(archive.genomes - emitter._es.mean).max(axis=1) < 1e-6).any()
    flat = CmaEmitter(np.zeros(3), 0.5, "objective", False, 2, rng)  # all values equal: nothing to follow
    assert flat.tell(samples, np.zeros(6), points, Added(np.full(6, 1), np.zeros(6)), archive, rng)


@pytest.mark.parametrize("agent", ["map_elites", "map_elites agent.emitter=isoline", "cma_me", "cma_mae"])
def test_it_fills_the_plane(agent: str, tmp_path: Path) -> None:
    setting = ["env=pointplane", *f"agent={agent}".split(), "agent.hidden=[5]", "frames=100_000", "eval.every=100_000"]
    assert run(compose([*setting, f"results_dir={tmp_path}"])) == 0
    told = load(tmp_path).training.iloc[-1]
    assert told["explore/archive"] > 250 and told["explore/coverage"] * 2500 == pytest.approx(told["explore/archive"])
    kept = archive.load(next(tmp_path.rglob(archive.ARCHIVE)))
    assert len(kept["genomes"]) == len(kept["descriptors"]) == told["explore/archive"]
    cells = np.floor(kept["descriptors"] * 50).clip(0, 49).astype(int)
    assert np.array_equal(kept["map"][tuple(cells.T)], kept["returns"])
    assert told["explore/qd_score"] == pytest.approx(kept["returns"].sum()) and kept["returns"].sum() > 0


def test_an_individual_of_the_archive_lives_as_it_did(tmp_path: Path) -> None:
    setting = ["env=pointplane", "agent=map_elites", "agent.population=20", "frames=10_000", "eval.every=10_000"]
    prepared = compose([*setting, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    found = load_archive(prepared.folder)
    env = make_level_env(prepared.config, ("position",))([[0]])
    first, drawn = torch.zeros(1, dtype=torch.bool), torch.Generator()
    for number in (0, len(found["returns"]) - 1, int(found["returns"].argmax())):
        agent, obs, paid, over = load_individual(prepared.folder, number), env.reset([0]), 0.0, False
        while not over:
            seen = {name: torch.from_numpy(entry) for name, entry in obs.items()}
            step = env.step(agent.act(seen, None, first, "greedy", drawn).action.numpy())
            obs, paid, over = step.obs, paid + float(step.task_reward[0]), bool(step.truncated[0])
        assert paid == found["returns"][number]
        assert (step.privileged["position"][0] + 1) / 2 == pytest.approx(found["descriptors"][number])
    assert np.array_equal(load_individual(prepared.folder).champion, found["champion"])
    with pytest.raises(UserError, match=r"individual -1: .* holds"):
        load_individual(prepared.folder, -1)


def test_the_reported_archive_of_cma_mae_forgets_nobody() -> None:
    agent: Any = build(compose(["env=pointplane", "agent=cma_mae", "agent.population=30"]).config).agent
    assert [archive._rate for archive in agent._archives] == []
    agent._dimensions = 2
    agent._make()
    assert [archive._rate for archive in agent._archives] == [0.01, 1.0]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["agent=cma_me", "agent.population=541"], "must be a multiple of emitters=15"),
        (["agent=map_elites", "agent.archive_rate=0.5"], "threshold_min: give it with archive_rate below 1"),
        (["agent=cma_me", "agent.ranker=twostage"], "did you mean two_stage?"),
        (["agent=map_elites", "env=doorkey_5x5"], "set env.levels=K"),
        (["agent=map_elites", "env=doorkey_5x5", "env.levels=4"], "50^8 cells are too many"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    env = [] if any(item.startswith("env=") for item in overrides) else ["env=pointplane"]
    assert main(["run", *env, *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir()), "refused before the run begins"
