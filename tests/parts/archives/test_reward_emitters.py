"""Emitters that climb the return, who of them is drawn, and whose turn it is: each beside its rule."""

import math

import numpy as np
import pytest

from rewardlab.maths.cma_es import CmaEs
from rewardlab.maths.fronts import undominated
from rewardlab.parts.archives.reward_emitters import Emitter, stagnated
from rewardlab.parts.archives.schedules import Schedule


def told(emitter: Emitter, returns: list[float], novelty: list[float]) -> dict[str, np.ndarray]:
    genomes = emitter.ask(np.random.default_rng(0))
    played = {"genomes": genomes, "returns": np.array(returns), "novelty": np.array(novelty)}
    emitter.tell(played)
    return played


@pytest.mark.parametrize(("kind", "survivors"), [("elitist", [16, 7, 5, 2, 3, 4]), ("novelty", [0, 1, 2, 3, 4, 5])])
def test_the_best_of_parents_and_children_survive(kind: str, survivors: list[int]) -> None:
    """Of equals the youngest."""
    emitter = Emitter(kind, 0, np.zeros(4, np.float32), 0.5)
    novelty = list(np.linspace(1, 0, 18))
    first = told(emitter, [0, 0, 1, 1, 1, 3], novelty[:6])
    second = told(emitter, [0, 3, *[0] * 8, 4, 0], novelty[6:])
    everybody = np.concatenate([first["genomes"], second["genomes"]])
    assert np.array_equal(emitter.population["genomes"], everybody[survivors])
    assert emitter.asks == 12 and emitter.trial == 66
    parents = second["genomes"] - np.repeat(
        first["genomes"][::-1] if kind == "elitist" else first["genomes"], 2, axis=0
    )
    assert np.abs(parents).max() < 3  # two children each, in the order of survival


def test_cma_learns_from_the_better_half_of_its_samples() -> None:
    emitter = Emitter("cma", 0, np.full(4, 5.0, np.float32), 0.5)
    again = CmaEs(np.full(4, 5.0), 0.5)
    for returns in ([0, 3, 1, 2, 5, 0], [1, 1, 1, 1, 1, 2]):
        played = told(emitter, returns, [0.0] * 6)
        assert np.abs(played["genomes"]).max() <= 5.0
        again.tell(played["genomes"][np.argsort(-np.array(returns), kind="stable")[:3]].astype(np.float64))
    assert emitter._es is not None and np.array_equal(emitter._es.mean, again.mean)
    assert np.array_equal(emitter.population["genomes"], played["genomes"]) and emitter.trial == 36


def test_what_an_emitter_gives_to_archives() -> None:
    emitter = Emitter("cma", 0, np.zeros(4, np.float32), 0.5)
    emitter.begin(0.5)
    given, aside = [], []
    for returns, novelty in (
        ([0, 0, 0, 0, 0, 0], [0.1] * 6),
        ([1, 3, 3, 2, 0, 0], [0.5, 0.6, 0.7, 0.1, 0.1, 0.1]),
        ([3, 4, 6, 3, 5, 0], [0.7, 0.6, 0.1, 0.1, 0.1, 0.9]),
        ([6, 0, 0, 0, 0, 0], [0.8] * 6),
    ):
        told(emitter, returns, novelty)
        given.append(emitter.outstanding(0.0)["returns"].tolist())
        before = len(emitter.aside.get("novelty", ()))
        emitter.keep_aside()
        emitter.begin(0.5)  # of no effect once it has one that is more novel
        aside.append(emitter.aside.get("novelty", np.zeros(0))[before:].tolist())
    assert given == [[], [3], [4, 6, 5], []] and aside == [[], [0.6, 0.7], [0.9], []]
    for returns, improvement in ((0, (21 + 6 + 0) - 30), (9, (6 + 0 + 54) - 30)):  # the first three are paid 30 in all
        told(emitter, [returns] * 6, [0.0] * 6)
        emitter.renew()
        assert emitter.improvement == pytest.approx(max(0, improvement) / 18)


def test_an_emitter_stops_where_it_gets_nowhere() -> None:
    rising = np.arange(40.0)[:, None] + np.arange(6.0)
    assert not stagnated(rising) and stagnated(rising[::-1]) and stagnated(np.zeros((40, 6)))
    flat_top, flat_middle = rising.copy(), np.zeros((40, 6))
    flat_top[0, 0], flat_middle[-1, 0] = 100.0, 1.0
    assert stagnated(flat_top) and stagnated(flat_middle)
    emitter = Emitter("elitist", 0, np.zeros(4, np.float32), 0.5)  # looks at int(20 * 4 / 6 + 120) = 133 populations
    for population in range(135):
        assert not emitter.stopped, population
        told(emitter, [0.0] * emitter.asks, [0.0] * emitter.asks)
    assert emitter.stopped


def test_the_front_is_whom_nobody_beats() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.integers(0, 4, size=(30, 2)), rng.random((30, 3)), np.zeros((3, 2))):
        expected = [not any(all(other >= mine) and any(other > mine) for other in values) for mine in values]
        assert undominated(values).tolist() == expected


def test_schedules() -> None:
    rng = np.random.default_rng(0)

    def chosen(kind: str, count: int, progress: float = 0.0, rewards: tuple[float, float] = (0, 0)) -> list[bool]:
        schedule, found = Schedule(kind), []
        for _ in range(count):
            found.append(schedule.explores(True, progress, rng))
            schedule.learn(rewards[not found[-1]])
        return found

    assert chosen("alternating", 5) == [True, False, True, False, True]
    assert np.mean(chosen("coin", 4000)) == pytest.approx(0.5, abs=0.03)
    assert np.mean(chosen("budget_coin", 4000, 0.8)) == pytest.approx(0.2, abs=0.03)
    arms: list[list[float]] = [[], []]
    for explores in chosen("ucb", 60, rewards=(-0.3, -0.9)):
        bounds = [np.mean(a) + math.sqrt(math.log(sum(map(len, arms))) / len(a)) if a else math.inf for a in arms]
        assert explores == (bounds[0] >= bounds[1] or not arms[0])
        arms[not explores].append((-0.3, -0.9)[not explores])
    assert 0 < len(arms[1]) < len(arms[0])
    idle = Schedule("alternating")  # without emitters their turn is passed over, and comes again
    found = []
    for there_are in (False, False, True, True):
        found.append(idle.explores(there_are, 0.0, rng))
        idle.learn(0.0)
    assert found == [True, True, False, True]
