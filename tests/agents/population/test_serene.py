"""SERENE, every chunk followed by a slow recomputation in a made-up world."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardlab import load
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import require_equal
from rewardlab.parts.archives import reward_emitters
from rewardlab.run import run
from rewardlab.seeding import generator_state, set_generator_state
from rewardlab.training.build import build
from rewardlab.training.lives import Player
from rewardlab.types import Lives

SMALL = ["env=pointplane", "agent.hidden=[2]", "agent.population=8", "agent.neighbours=3"]
CHUNK = 200  # two candidates on trial of 66 each, then 5 or 6 generations of 12


def agent_of(*overrides: str, seed: int = 0) -> Any:
    agent = [] if "agent=stax" in overrides else ["agent=serene"]
    return build(compose([*SMALL, *agent, f"agent.chunk={CHUNK}", f"seed={seed}", *overrides]).config).agent


def world(genomes: np.ndarray) -> Lives:
    """Places by two numbers of a genome, and pay, in steps and up to a limit, near where two of them have one value."""
    places = np.tanh(genomes[:, :2].astype(np.float64))
    near = np.abs(genomes[:, 0] - 1.0) + np.abs(genomes[:, 2] + 0.5)
    paid = np.floor(np.clip(8.0 - 6.0 * near, 0.0, 2.0)).astype(np.float64)[:, None]
    return Lives(paid, np.full(paid.shape, 50), paid > 0, {"places": places[:, None, None, :]})


def point(genome: np.ndarray) -> np.ndarray:
    return (np.tanh(genome[:2].astype(np.float64)) + 1) / 2


def paid(genome: np.ndarray) -> float:
    return float(world(genome[None]).task_return[0, 0])


def mean_of_nearest(mine: np.ndarray, others: list[np.ndarray]) -> float:
    return float(np.mean(sorted(np.hypot(*(np.array(others) - mine).T))[:3]))


class Shadow:
    """What the agent should be, by lists and loops; what it draws is taken from it and checked for being allowed."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.asked: np.ndarray | None = None
        self.parents: list[np.ndarray] = []
        self.children: list[np.ndarray] = []
        self.archive: list[np.ndarray] = []
        self.rewarded: list[np.ndarray] = []
        self.candidates: list[dict[str, Any]] = []
        self.emitters: list[dict[str, Any]] = []
        self.seen = {"trials": 0, "dropped": 0, "runs": 0, "gifts": 0}

    def explore(self) -> None:
        left = CHUNK
        while left > 0:
            assert self.agent._explores or left == CHUNK
            asked = self.agent.ask(0.3)
            children = list(asked)
            everybody = [*self.parents, *children]
            for child in children:
                if paid(child) > 0:
                    nearest = min(math.dist(child, other) for other in everybody if other is not child)
                    self.candidates.append(
                        {"row": len(self.rewarded), "ancestor": child, "sigma": nearest / 3, "values": [], "best": []}
                    )
                    self.rewarded.append(child)
            before = self.rewarded[: len(self.rewarded) - sum(paid(child) > 0 for child in children)]
            reference = [point(genome) for genome in [*self.archive, *before]]
            novelties = [
                mean_of_nearest(point(one), [point(other) for other in everybody if other is not one] + reference)
                for one in everybody
            ]
            self.agent.tell(asked, world(asked))
            order = sorted(range(len(everybody)), key=lambda i: -novelties[i])[:8]
            self.parents, self.children = [everybody[i] for i in order], children
            self.same(self.agent._search.parents, self.parents)
            self.archive += list(self.agent._search.archive.outcomes["genomes"][len(self.archive) :])
            self.same(self.agent._rewarded.outcomes, self.rewarded)
            left -= len(children)

    def exploit(self) -> None:
        """With nothing to exploit the next chunk explores, for free."""
        if not self.candidates and not self.emitters:
            return
        self.asked = self.agent.ask(0.3)
        assert not self.agent._explores
        rejected = [child for child in self.children if not any(child is parent for parent in self.parents)]
        self.reference = [point(genome) for genome in [*self.parents, *rejected, *self.archive]]
        self.others = len(self.reference)
        self.reference += [point(genome) for genome in self.rewarded]
        order = sorted(self.candidates, key=lambda one: -self.novelty_of(one))
        left, trying = CHUNK, []
        while order and left > CHUNK / 3:
            trying.append(order.pop(0))
            left -= 66
        self.candidates = order
        for _ in range(6 if trying else 0):
            self.play(trying)
        self.seen["trials"] += len(trying)
        better = [one for one in trying if self.improvement(one) > 0]
        self.seen["dropped"] += len(trying) - len(better)
        self.emitters += better
        while left > 0 and self.emitters:
            running = self.drawn()
            self.seen["runs"] += 1
            while left > 0:
                self.play([running])
                self.keep_aside(running)
                left -= 12
                if len(running["values"]) - 1 > 12 and self.over(running["values"][-12:]):
                    self.retire(running)
                    break
            running["improvement"] = self.improvement(running)
        assert len(self.agent._candidates) == len(self.candidates)
        assert [one.improvement for one in self.agent._emitters] == pytest.approx(
            [one["improvement"] for one in self.emitters]
        )

    def play(self, emitters: list[dict[str, Any]]) -> None:
        """One generation: a population of each."""
        genomes = self.agent.ask(0.3) if self.asked is None else self.asked
        self.asked = None
        self.agent.tell(genomes, world(genomes))
        at = 0
        for one in emitters:
            members = one.get("members", [])
            own = genomes[at : at + (12 if members else 6)]
            at += len(own)
            for number, child in enumerate(own):  # two children of each member, in order
                parent = members[number // 2] if members else one["ancestor"]
                steps = child[np.abs(child) < 5] - parent[np.abs(child) < 5]
                assert 0 < np.abs(steps).max() < 6 * one["sigma"] and steps.std() > one["sigma"] / 5
            for child in own:
                one.setdefault("novelty", {})[child.tobytes()] = mean_of_nearest(point(child), self.reference)
            alive = [*members, *own]
            best = sorted(range(len(alive)), key=lambda i: (-paid(alive[i]), -i))[:6]
            one["members"] = [alive[i] for i in best]
            one["values"].append([paid(member) for member in one["members"]])
            if not members:
                continue
            if not one["best"]:
                found = [max(one["members"], key=paid)] if max(one["values"][-1]) > 0 else []
            else:
                found = [member for member in one["members"] if paid(member) > max(one["best"])]
            one["best"] += [paid(member) for member in found]
            self.rewarded += found
        assert at == len(genomes)
        if len(emitters) == 1:
            self.same(self.agent._rewarded.outcomes, self.rewarded)

    def novelty_of(self, one: dict[str, Any]) -> float:
        others = [point(genome) for row, genome in enumerate(self.rewarded) if row != one["row"]]
        return mean_of_nearest(point(one["ancestor"]), others) if others else 0.0

    def improvement(self, one: dict[str, Any]) -> float:
        one["improvement"] = max(0.0, float(np.mean(one["values"][-3:]) - np.mean(one["values"][:3])))
        return float(one["improvement"])

    def drawn(self) -> dict[str, Any]:
        """Whom the agent drew: nobody beats it."""
        values = [(self.novelty_of(one), one["improvement"]) for one in self.emitters]
        mine = values[self.agent._running]
        assert not any(
            a >= mine[0] - 1e-12 and b >= mine[1] and (a > mine[0] + 1e-12 or b > mine[1]) for a, b in values
        )
        one = self.emitters[self.agent._running]
        if not one.get("aside"):
            own = self.others + one["row"]
            reference = [other for row, other in enumerate(self.reference) if row != own]
            one["most"] = mean_of_nearest(point(one["ancestor"]), reference)
        return one

    def keep_aside(self, one: dict[str, Any]) -> None:
        novelties = [one["novelty"][member.tobytes()] for member in one["members"]]
        one.setdefault("aside", []).extend(
            member for member, found in zip(one["members"], novelties, strict=True) if found > one["most"]
        )
        one["most"] = max([one["most"], *novelties])

    def over(self, values: list[list[float]]) -> bool:
        first, last = np.ravel(values[:4]), np.ravel(values[-4:])
        return bool(np.median(first) >= np.median(last) or first.max() >= last.max())

    def retire(self, one: dict[str, Any]) -> None:
        self.emitters = [other for other in self.emitters if other is not one]
        gifts = self.agent._search.archive.outcomes["genomes"][len(self.archive) :]
        assert len(gifts) == min(5, len(one["aside"]))
        assert all(any(np.array_equal(gift, member) for member in one["aside"]) for gift in gifts)
        self.archive += list(gifts)
        self.seen["gifts"] += len(gifts)

    def same(self, found: dict[str, np.ndarray], expected: list[np.ndarray]) -> None:
        assert np.array_equal(found["genomes"], np.stack(expected)) if found else not expected


def test_every_chunk_is_as_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_emitters, "_LEAST_WINDOW", 12 - 40)  # or none stops in so short a run
    monkeypatch.setattr(reward_emitters, "_ENDS", 4)
    shadow = Shadow(agent_of())
    assert shadow.agent.genome.size == 12
    for _ in range(6):
        shadow.explore()
        shadow.exploit()
    assert min(shadow.seen.values()) > 0, shadow.seen


def pictured(genomes: np.ndarray) -> Lives:
    """The same world by its pictures: a square whose brightness tells the places."""
    lives = world(genomes)
    sights = np.zeros((len(genomes), 1, 1, 32, 32, 3), dtype=np.uint8)
    places = lives.outcome["places"][:, :, :, None, :]
    sights[:, :, :, 4:8, 4:8, :2] = np.rint(127 * (places + 1))[..., None, :]
    return Lives(lives.task_return, lives.length, lives.success, {**lives.outcome, "sights": sights})


LEARNED = ["agent=stax", "agent.epochs=2", "agent.units=8", "agent.code=3", "agent.lesson=60"]


@pytest.mark.parametrize("kind", [*reward_emitters.KINDS, "stax"])
def test_it_goes_on_from_any_generation(kind: str) -> None:
    """Saved between ask and tell, and after tell: what comes next is the same to the last bit."""
    setting, play = (LEARNED, pictured) if kind == "stax" else ([f"agent.emitter_kind={kind}"], world)
    setting = [*setting, "agent.scheduler=coin", "agent.chunk=90"]
    agent, other = agent_of(*setting, seed=2), agent_of(*setting, seed=3)
    phases = set()

    def restore() -> None:
        other.load_state_dict(agent.state_dict())
        set_generator_state(other._rng, generator_state(agent._rng))  # which a checkpoint holds, too

    for generation in range(40):
        genomes = agent.ask(0.3)
        phases.add((agent._explores, agent._trying > 0))
        if generation % 2:
            restore()
            other.tell(genomes, play(genomes))
        agent.tell(genomes, play(genomes))
        if not generation % 2:
            restore()
            expected = agent.state_dict(), generator_state(agent._rng)
            assert np.array_equal(other.ask(0.3), agent.ask(0.3))
            agent.load_state_dict(expected[0])
            set_generator_state(agent._rng, expected[1])
        else:
            require_equal(agent.state_dict(), other.state_dict(), "the state after telling")
    assert phases >= {(True, False), (False, True)} and (len(phases) == 3 or kind == "novelty")


@pytest.mark.parametrize("wanted", [True, False])
def test_after_a_lesson_all_are_described_anew(wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = agent_of(*LEARNED, f"agent.train_on_reward={str(wanted).lower()}", "agent.chunk=90")
    lessons: list[tuple[int, int, int]] = []
    fit = agent._descriptor.fit

    def noted(outcomes: Any, rng: Any) -> Any:
        search = agent._search
        rest = sum(len(each["genomes"]) for each in (search.parents, search.rejected, search.archive.outcomes))
        lessons.append((explored, len(outcomes["sights"]) - rest, len(agent._rewarded)))
        return fit(outcomes, rng)

    monkeypatch.setattr(agent._descriptor, "fit", noted)
    explored, learned = 0, []
    while len(lessons) < 3:
        genomes = agent.ask(0.0)
        explored += len(genomes) * agent._explores
        learned.append("loss/encoder" in agent.tell(genomes, pictured(genomes)))
        if not learned[-1] or not agent._emitters:
            continue
        emitters = [*agent._candidates, *agent._emitters]
        kept = [each.population for each in emitters] + [each.aside for each in emitters]
        kept += [agent._rewarded.outcomes, agent._search.archive.outcomes, agent._search.parents]
        for individuals in filter(None, kept):
            sights = pictured(individuals["genomes"]).outcome["sights"]
            again = agent._descriptor.renewed({"sights": sights})
            assert again["codes"] == pytest.approx(individuals["codes"], abs=1e-6)
    assert agent._emitters and sum(learned) == 3
    # chunks of 60 in whole generations of 16, the first of 8: 8 + 4 * 16; twice 64 later; three times
    assert [each[0] for each in lessons] == [72, 200, 392]
    assert all(extra == (paid if wanted else 0) for _, extra, paid in lessons) and lessons[-1][2] > 0


def test_a_population_that_was_not_whole_is_played_again() -> None:
    agent = agent_of("agent.chunk=90")
    genomes = agent.ask(0.0)
    while agent._explores:
        agent.tell(genomes, world(genomes))
        genomes = agent.ask(0.0)
    candidate, left = agent._candidates[0], agent._left
    agent.tell(genomes[:5], world(genomes[:5]))
    assert candidate.populations == 0 and agent._left == left - 5
    assert len(agent.ask(0.0)) == len(genomes) == 6 * agent._trying


def test_emitters_climb_on_the_plane(tmp_path: Path) -> None:
    setting = ["env=pointplane", "agent=serene", "agent.hidden=[5]", "agent.chunk=400", "frames=150_000"]
    assert run(compose([*setting, "eval.every=150_000", f"results_dir={tmp_path}"])) == 0
    told = load(tmp_path).training
    assert told["explore/best"].max() > 3 and told["explore/coverage"].iloc[-1] > 0.2
    assert told["explore/rewarded"].iloc[-1] > told["explore/emitters"].iloc[-1] > 0


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path, fault: Callable[..., Any]) -> None:
    """A fault while emitters play; the checkpoint is of an earlier generation."""
    small = ["agent.hidden=[5]", "agent.population=20", "agent.chunk=100", "checkpoint.every=5000"]
    setting = ["env=pointplane", "agent=serene", *small, "frames=50_000", "eval.every=25_000", "eval.episodes=2"]
    assert run(compose([*setting, f"results_dir={tmp_path / 'unbroken'}"])) == 0
    broken = [*setting, f"results_dir={tmp_path / 'broken'}"]
    with fault(Player, "play", 20):
        assert run(compose(broken)) == 1
    assert run(compose(broken)) == 0
    one, other = (load(tmp_path / name).training for name in ("unbroken", "broken"))
    columns = ["frames", *(name for name in one if name.startswith("explore/"))]
    assert one[columns].equals(other[columns])
    assert len(one) > 20 and one["explore/rewarded"].iloc[-1] > one["explore/rewarded"].iloc[0] > 0


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env=doorkey_5x5"], "needs the same levels in each; set env.levels=K"),
        (["agent.emitter_kind=elite"], "did you mean elitist?"),
        (["agent.scheduler=cion"], "did you mean coin?"),
        (["agent.chunk=0"], "agent.chunk=0"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    env = [] if any(item.startswith("env=") for item in overrides) else ["env=pointplane"]
    assert main(["run", *env, "agent=serene", *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
