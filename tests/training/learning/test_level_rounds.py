"""Rounds of designed levels: what is held, what counts, who learns, and that a run goes on exactly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from rewardlab import load
from rewardlab.config.composition import compose
from rewardlab.contracts.result import Broken
from rewardlab.contracts.state_laws import require_equal
from rewardlab.curricula import designed_levels, sfl
from rewardlab.errors import UserError
from rewardlab.gridworld.mazes import Mazes, to_state
from rewardlab.records.archive import LEVELS
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.collect import Collector
from rewardlab.training.learning import level_rounds
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.level_rounds import Learning
from rewardlab.types import Metrics, Played, Rollout, Round, State

TINY = ["env=maze", "env.size=4", "env.walls=3", "env.max_steps=20", "num_envs=4", "agent.rollout_steps=24"]


def _learning(choice: str, *more: str) -> Learning:
    config = compose([*TINY, f"curriculum={choice}", *more]).config
    learning = make_learning(config, build(config))
    assert isinstance(learning, Learning)
    return learning


def _told(told: Any) -> Metrics:
    return {name: value for each in told for name, value in each.items()}


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_a_rollout_begins_on_its_level_and_comes_back_to_it(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learning, seen = _learning("domain_random", f"agent.memory={memory}"), []
    collect = Collector.collect

    def noted(collector: Collector, steps: int, rng: torch.Generator) -> Rollout:
        begun = {name: entry.copy() for name, entry in collector._obs.items()}
        rollout = collect(collector, steps, rng)
        seen.append((begun, rollout))
        return rollout

    monkeypatch.setattr(Collector, "collect", noted)
    again = 0
    for spent in (0, 96, 192):
        learning.iterate(spent)
        begun, rollout = seen[-1]
        assert rollout.first[0].all()
        assert rollout.agent_state0 is None or not rollout.agent_state0.any()
        time, env = rollout.first.nonzero(as_tuple=True)
        again += len(time) - 4
        for name, entry in rollout.obs.items():
            assert (entry[time, env].numpy() == begun[name][env.numpy()]).all()
    assert again > 0
    assert learning.statistics is not None
    assert learning.statistics.episodes == again + int(seen[-1][1].last_first.sum()) + sum(
        int(rollout.last_first.sum()) for _, rollout in seen[:-1]
    )


def test_compiled_passes_hold_levels_as_steps_do() -> None:
    found = []
    for compiled in (True, False):
        learning = _learning("domain_random", "agent.fused=true")
        assert learning.collector._compiled is not None
        if not compiled:
            learning.collector._compiled = None
        found.append([_told(learning.iterate(96 * number)[1]) for number in range(3)])
    for one, other in zip(*found, strict=True):
        for name in ("levels/regret", "levels/steps", "levels/walls", "reward/task_mean"):
            assert one[name] == pytest.approx(other[name], rel=1e-5)


class _Fixed:
    """Always the same level, which is only tried."""

    turns: ClassVar[dict[str, str]] = {"on_policy": "level_rounds"}
    assumes: frozenset[str] = frozenset()
    metrics: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    students = 1

    def __init__(self, one: Mazes, rollouts: int) -> None:
        self._one, self._rollouts = one, rollouts
        self.found: Played | None = None

    def design(self, count: int, rng: np.random.Generator) -> Round:
        levels = self._one[np.zeros(count, dtype=int)]
        return Round((levels,), (np.full(count, -np.inf),), False, rollouts=self._rollouts)

    def played(self, round_: Round, played: Any) -> Metrics:
        (self.found,) = played
        return {}

    def update(self, progress: float) -> Metrics:
        return {}

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...


def _tried(one: Mazes, size: int, rollouts: int) -> tuple[Played, int]:
    """What uniformly random turns and steps make of a level, by the whole way from the engine to regret."""
    options = [f"env.size={size}", "env.max_steps=250", "env.actions=3", "env.walls=0", "num_envs=100", "frames=1e7"]
    config = compose([*TINY[:1], *options, "agent.rollout_steps=250", "curriculum=domain_random"]).config
    parts = build(config)
    for parameter in parts.agent.network.parameters():  # type: ignore[attr-defined]  # PPO's
        parameter.data.zero_()
    designer = _Fixed(one, rollouts)
    parts.designer = designer
    frames, _ = make_learning(config, parts).iterate(0)
    assert designer.found is not None
    return designer.found, frames


def test_random_play_gets_what_can_be_computed() -> None:
    """An empty 5x5 room from corner to corner, facing east: of a chain over cells and headings."""
    room = Mazes(np.zeros((1, 5, 5), dtype=bool), np.array([0]), np.array([0]), np.array([24]))
    found, frames = _tried(room, 5, 8)
    assert frames == 8 * 250 * 100
    count = found.tried.count
    solved, mean = (float(np.average(entry, weights=count)) for entry in (found.tried.solved, found.tried.mean))
    assert count.sum() > 1000 and (found.steps == 9).all()
    assert solved == pytest.approx(0.683557, abs=0.04)
    assert mean == pytest.approx(0.390125, abs=0.03)
    assert 0.9676 - mean == pytest.approx(float(np.average(found.regret, weights=count)))
    assert solved * (1 - solved) == pytest.approx(0.216307, abs=0.02)


def test_a_level_without_a_way_has_no_regret() -> None:
    walls = np.zeros((1, 4, 4), dtype=bool)
    walls[0, 2, 3] = walls[0, 3, 2] = True
    found, _ = _tried(Mazes(walls, np.array([0]), np.array([0]), np.array([15])), 4, 1)
    assert (found.steps == -1).all() and (found.tried.solved == 0).all() and (found.regret == 0).all()


def test_levels_that_are_only_tried_leave_everything_as_it_was() -> None:
    options = ["agent.memory=gru", "agent.normalise_observation=true", "reward=rnd", "curriculum.archive=16"]
    learning, kinds = _learning("robust_plr", *options), set()
    for number in range(12):
        parts = learning.parts
        before = (parts.agent.state_dict(), parts.scheme.state_dict())
        frames, told = learning.iterate(96 * number)
        learned = bool(_told(told)["levels/learned"])
        kinds.add(learned)
        assert frames == 96
        after = (parts.agent.state_dict(), parts.scheme.state_dict())
        if learned:
            with pytest.raises(Broken):
                require_equal(before, after, "a student")
        else:
            require_equal(before, after, "a student")
    assert kinds == {False, True}


def test_plr_that_never_replays_is_domain_randomisation() -> None:
    found = []
    for choice, more in (("domain_random", ()), ("plr", ("curriculum.replay_prob=0",))):
        learning = _learning(choice, *more)
        told = [_told(learning.iterate(96 * number)[1]) for number in range(4)]
        found.append((told, learning.parts.agent.state_dict()))
    require_equal(*found, "plr")


def test_every_rollout_of_a_choice_is_frames_and_fits_the_budget() -> None:
    options = ["curriculum.sampled=8", "curriculum.keep=4", "curriculum.rollouts=3", "curriculum.every=1", "frames=784"]
    learning, spent, found = _learning("sfl", *options), 0, []
    while spent < 784:
        frames, told = learning.iterate(spent)
        spent += frames
        found.append((frames, _told(told)["levels/learned"]))
    # The last one has what is left, in steps of 4 environments.
    assert found == [(288, 0.0), (288, 0.0), (96, 1.0), (112, 0.0)]


def _small(tmp_path: Path, name: str, setting: str) -> list[str]:
    cadence = ["frames=2500", "eval.every=1000", "eval.episodes=2", "checkpoint.every=600"]
    return [*TINY, *setting.split(), *cadence, f"results_dir={tmp_path / name}"]


@pytest.mark.parametrize(
    ("setting", "designer"),
    [
        ("curriculum=accel curriculum.archive=12 curriculum.replay_prob=1", designed_levels.Designer),
        ("curriculum=sfl curriculum.sampled=8 curriculum.keep=4 curriculum.every=3 agent.memory=gru", sfl.Designer),
        ("curriculum=robust_plr curriculum.archive=12 reward=rnd reward.warmup=5", designed_levels.Designer),
    ],
)
def test_an_interrupted_run_goes_on_exactly(
    setting: str, designer: type, tmp_path: Path, fault: Callable[..., Any]
) -> None:
    assert run(compose(_small(tmp_path, "unbroken", setting))) == 0
    broken = _small(tmp_path, "broken", setting)
    with fault(designer, "played", 12):
        assert run(compose(broken)) == 1
    assert run(compose(broken)) == 0
    kept = [load(tmp_path / name) for name in ("unbroken", "broken")]
    for table in ("training", "evaluations"):
        one, other = (
            getattr(found, table).drop(columns=["run", "wall_seconds", "cpu_seconds", "fps"], errors="ignore")
            for found in kept
        )
        assert one.fillna(-1.0).equals(other.fillna(-1.0))
    assert {0.0, 1.0} <= set(kept[0].training["levels/learned"])
    files = [next((tmp_path / name).rglob(LEVELS)) for name in ("unbroken", "broken")]
    shown = [dict(np.load(file)) for file in files]
    assert all((shown[0][name] == shown[1][name]).all() for name in shown[0])
    moments = len(shown[0]["frames"])
    assert moments > 3 and shown[0]["walls"].shape == (moments, 4, 4, 4)
    assert (np.diff(shown[0]["frames"]) > 0).all()


BUDGET = "env=maze num_envs=64 agent.rollout_steps=250"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("env=empty_5x5 curriculum=plr", "use env=maze"),
        ("env=maze env.levels=5 curriculum=plr", "leave out env.levels=5"),
        ("env=maze env.maze=Labyrinth curriculum=accel", "leave out env.maze=Labyrinth"),
        ("env=maze curriculum=plr agent=dqn", "use agent=ppo$"),
        ("env=maze curriculum=plr agent=random", "use agent=ppo$"),
        (
            "env=maze curriculum=accel curriculum.fewest_walls=10 agent.rollout_steps=250",
            "fewest_walls=10: must be at most walls=0",
        ),
        (
            "env=maze curriculum=plr curriculum.fewest_walls=26 agent.rollout_steps=250",
            "fewest_walls=26: must be at most walls=25",
        ),
        (
            "env=maze curriculum=plr curriculum.generator=perfect curriculum.fewest_walls=2 agent.rollout_steps=250",
            "leave it out",
        ),
        ("env=maze curriculum=plr", "agent.rollout_steps=250 or more"),
        ("env=maze env.delayed_reward=true curriculum=plr", "delayed_reward"),
        ("env=maze curriculum=plr agent.rollout_steps=250 reward=rnd reward.task_coef=0", "weight is 0"),
        ("env=maze curriculum=plr agent.rollout_steps=250 reward=rnd agent.streams=joint", "agent.streams=separate"),
        ("env=maze curriculum=plr curriculum.score=pvll", "did you mean pvl"),
        ("env=maze env.size=4 curriculum=plr curriculum.generator=perfect agent.rollout_steps=250", "odd side"),
        (
            "env=maze env.size=3 env.max_steps=9 agent.rollout_steps=9 curriculum=sfl curriculum.generator=uniform"
            " curriculum.walls=9",
            "hold 7",
        ),
        ("env=maze curriculum=sfl curriculum.keep=600 agent.rollout_steps=250", "at most curriculum.sampled=256"),
        # 2000 of 4000 levels are 32 rounds of 64; 4 rollouts of each of 4 rounds; both students' frames count.
        (f"{BUDGET} frames=512063 curriculum=robust_plr", "curriculum.archive.*512000 frames .* use frames=512064 or"),
        (f"{BUDGET} frames=256063 curriculum=sfl", "curriculum.sampled.*256000 frames .* use frames=256064 or more"),
        (f"{BUDGET} frames=1024127 curriculum=repaired", "use frames=1024128 or more"),
        (f"{BUDGET} frames=1000 curriculum=accel reward=rnd reward.warmup=5", "use frames=512384 or more"),
        ("env=maze curriculum=domain_random curriculum.temperature=0.3", "temperature=0.3: does nothing with replay"),
        ("env=maze curriculum=paired curriculum.archive=5", "archive=5: does nothing with replay_prob=0"),
        ("env=maze curriculum=plr curriculum.replay_prob=0 curriculum.edits=3", "edits=3: does nothing"),
        ("env=maze curriculum=plr curriculum.parents=easy", "without edits"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(wrong: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        build(compose(wrong.split()).config)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("coef", "coef_end", "words"), [(1.0, 0.0, "is 0 at the end"), (0.0, 1.0, "weight is 0$")])
def test_a_task_that_fades_scores_no_levels(coef: float, coef_end: float, words: str) -> None:
    """Its values are divided by the weight, which would leave no number."""
    config = compose([*TINY, "curriculum=plr"]).config
    parts = build(config)
    parts.scheme.streams = (replace(parts.scheme.streams[0], coef=coef, coef_end=coef_end),)
    with pytest.raises(UserError, match=words):
        level_rounds.check(parts.scheme, parts.agent, config, parts.env.spec)


def test_held_places_come_back_with_their_heading() -> None:
    config = compose([*TINY, "curriculum=domain_random"]).config
    env = build(config).env
    one = Mazes(np.zeros((4, 4, 4), dtype=bool), np.arange(4), np.array([3, 2, 1, 0]), np.full(4, 15))
    env.reset([0] * 4)
    held = env.hold_places(to_state(one))  # type: ignore[attr-defined]
    assert held["vector"].argmax(axis=1).tolist() == [3, 2, 1, 0]
    for _ in range(20):  # to the limit
        batch = env.step(np.zeros(4, dtype=np.int64))
    assert batch.truncated.all()
    assert all((batch.obs[name] == held[name]).all() for name in held)
