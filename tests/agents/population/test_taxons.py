"""Novelty search by learned codes: who survives by a coin, what is learned of, and what it covers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardlab import load
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.parts.archives.learned_descriptor import Codes
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.types import Lives

SMALL = ["env=pointplane", "agent=taxons", "agent.population=6", "agent.archived=2", "agent.neighbours=3"]


def agent_of(*overrides: str) -> Any:
    return build(compose([*SMALL, *overrides]).config).agent


def tell(agent: Any, rng: np.random.Generator) -> dict[str, float]:
    """Made-up lives, each with a picture that is one colour but for its first rows."""
    genomes = agent.ask(0.0)
    sights = np.full((len(genomes), 1, 1, 32, 32, 3), 200, dtype=np.uint8)
    for picture in sights[:, 0, 0]:
        picture[: rng.integers(32)] = rng.integers(256, size=3)
    paid = np.zeros((len(genomes), 1))
    told: dict[str, float] = agent.tell(genomes, Lives(paid, paid.astype(int) + 50, paid > 0, {"sights": sights}))
    return told


def ranked(agent: Any, everybody: dict[str, np.ndarray], before: dict[str, np.ndarray]) -> dict[str, list[int]]:
    """The order of individuals by novelty and by surprise."""
    points = agent._descriptor.describe(everybody)
    others = [*points, *agent._descriptor.describe(before)] if before else list(points)
    novelty = [
        np.mean(sorted(np.linalg.norm(point - other) for j, other in enumerate(others) if j != i)[:3])
        for i, point in enumerate(points)
    ]
    surprise = everybody["errors"].sum(axis=(1, 2))
    return {"novelty": np.argsort(-np.array(novelty)).tolist(), "surprise": np.argsort(-surprise).tolist()}


@pytest.mark.parametrize(("criterion", "first"), [("either", 0), ("either", 6), ("surprise", 0)])
def test_a_coin_says_whether_novelty_or_surprise_decides(criterion: str, first: int) -> None:
    setting = [f"agent.criterion={criterion}", f"agent.novelty_first={first}", "agent.archive_pick=best"]
    agent, rng, used = agent_of(*setting), np.random.default_rng(1), []
    for generation in range(20):
        search = agent._search
        before, parents = dict(search.archive.outcomes), dict(search.parents)
        tell(agent, rng)
        everybody = {}
        for name in ("sights", "genomes"):  # survivors and rejected parents are all that lived
            young = np.concatenate([search.parents[name], search.rejected[name]])
            everybody[name] = np.concatenate([parents[name], young]) if parents else young
        _, unique = np.unique(everybody["genomes"], axis=0, return_index=True)
        everybody = agent._descriptor.renewed({name: entry[np.sort(unique)] for name, entry in everybody.items()})
        survivors = {genome.tobytes() for genome in search.parents["genomes"]}
        orders = ranked(agent, everybody, before)
        fitting = [
            name
            for name, order in orders.items()
            if {everybody["genomes"][i].tobytes() for i in order[:6]} == survivors
        ]
        assert fitting or generation == 0
        used += fitting if len(fitting) == 1 else []
    if criterion == "surprise":
        assert set(used) == {"surprise"}
    else:
        assert used.count("novelty") >= 3 and used.count("surprise") >= 3
        assert set(used[: max(first - 2, 0)]) <= {"novelty"}


def test_after_a_lesson_all_are_described_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[np.ndarray] = []
    fit = Codes.fit

    def noted(self: Codes, outcomes: Any, rng: Any) -> Any:
        taught.append(outcomes["genomes"])
        return fit(self, outcomes, rng)

    monkeypatch.setattr(Codes, "fit", noted)
    agent, rng = agent_of("agent.lesson=24", "agent.epochs=3"), np.random.default_rng(0)
    for generation in range(1, 11):  # 6 children, then 12: chunks end with generations 3, 5, 7, 9
        codes = agent._search.archive.outcomes.get("codes", np.zeros(0))[:2].copy()
        count = len(taught)
        told = tell(agent, rng)
        search, lesson = agent._search, len(taught) > count
        assert lesson == ("loss/encoder" in told) == (generation in (3, 7))
        if generation > 1:
            assert np.array_equal(codes, search.archive.outcomes["codes"][:2]) != lesson
        if lesson:
            known = [search.parents, search.rejected, search.archive.outcomes]
            assert np.array_equal(taught[-1], np.concatenate([each["genomes"] for each in known]))
        for individuals in (search.parents, search.rejected, search.archive.outcomes):
            anew = agent._descriptor.renewed(individuals)
            assert anew["codes"] == pytest.approx(individuals["codes"], abs=1e-5)
            assert anew["errors"] == pytest.approx(individuals["errors"], abs=1e-5)
    held = agent.collection()
    assert held["genomes"].shape == (20, agent.genome.size) and held["descriptors"].shape == (20, 10)
    assert held["returns"].tolist() == [0.0] * 20


def test_it_covers_the_plane_without_being_told_where_it_is(tmp_path: Path) -> None:
    for agent in ("taxons", "random_search"):
        overrides = [] if agent == "taxons" else ["agent.population=100", "agent.episodes=1"]
        setting = ["env=pointplane", f"agent={agent}", *overrides, "frames=200_000", "eval.every=200_000"]
        assert run(compose([*setting, f"results_dir={tmp_path / agent}"])) == 0
    found = {agent: load(tmp_path / agent).training.iloc[-1] for agent in ("taxons", "random_search")}
    assert found["taxons"]["explore/coverage"] > 2 * found["random_search"]["explore/coverage"]
    assert 0 < found["taxons"]["explore/surprise"] < 0.05


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["agent=taxons", "env=deepsea"], "reads small pictures or a grid, and DeepSea-10 gives neither"),
        (["agent=ns", "env=pointplane", "agent.criterion=either"], "set agent.descriptor=autoencoder"),
        (["agent=ns", "env=deepsea", "agent.descriptor=last"], "DeepSea-10 shows no amounts"),
        (["agent=map_elites", "env=pointplane", "agent.descriptor=autoencoder"], "allowed: last, place, samples"),
        (["agent=map_elites", "env=hardmaze", "agent.descriptor=last"], "50^11 cells are too many"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["run", *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not list(tmp_path.iterdir())
