"""Teachers of levels: what they are paid and when, who plays on what, and runs of the presets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab import load
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.curricula import paired
from rewardlab.curricula.paired import Config, Designer
from rewardlab.errors import UserError
from rewardlab.gridworld.maze_drawing import MazeDrawing
from rewardlab.gridworld.mazes import Mazes, distances
from rewardlab.parts.models.designer_policy import DesignerPolicy
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.collect import Collector
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.level_rounds import Learning
from rewardlab.types import ActionSpec, Attempted, EnvSpec, Played, Round
from rewardlab.types.levels import NEW, REPLAYED

COUNT, SIZE = 4, 5
TINY = ["env=maze", "env.size=4", "env.walls=3", "env.max_steps=20", "num_envs=4", "agent.rollout_steps=24"]
BOTH = ("paired", "flexible_paired", "repaired")


def _designer(**options: Any) -> Designer:
    spec = EnvSpec("mazes", {}, ActionSpec(n=7), max_steps=20, mazes=SIZE)
    config = Config(name="taught", walls=6, **{"replay_prob": 0.0, "filters": 4, **options})
    return Designer(config, new_context(spec))


def _played(levels: Mazes, returns: list[list[float]]) -> Played:
    """Of episodes of one step each, which got these returns; the value of every state is 0."""
    steps = max(len(each) for each in returns)
    ended, paid = np.zeros((steps, len(levels)), dtype=bool), np.zeros((steps, len(levels)))
    for n, each in enumerate(returns):
        ended[: len(each), n], paid[: len(each), n] = True, each
    none = [np.nan]
    mean, best = (np.array([of(each or none) for each in returns]) for of in (np.mean, np.max))
    tried = Attempted(ended.sum(axis=0), mean, best, (mean > 0).astype(float))
    highest = np.where(np.isnan(best), -np.inf, best)
    return Played(paid, np.zeros_like(paid), ended, tried, highest, distances(levels), 1 - mean)


def _round(designer: Designer, returns: list[list[list[float]]]) -> tuple[Round, dict[str, float]]:
    """One round, in which each student gets these returns of each level."""
    designed = designer.design(COUNT, np.random.default_rng(0))
    played = [_played(levels, each) for levels, each in zip(designed.levels, returns, strict=True)]
    return designed, designer.played(designed, played)


@pytest.mark.parametrize(
    ("pays", "expected"),
    [
        ("paired", [0.7, 0.0, 0.9, 0.0]),
        ("flexible_paired", [0.7, 0.7, 0.9, 0.3]),
        ("paired_signed", [0.7, -0.6, 0.9, -0.3]),
        ("minimax", [-0.4, -0.8, 0.0, -0.3]),
        ("minimax_mean", [-0.2, -0.7, 0.0, -0.3]),
    ],
)
def test_a_level_pays_what_its_students_got(pays: str, expected: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the antagonist's and the protagonist's whole episodes; with none it is as if they had got 0."""
    protagonist: list[list[float]] = [[0.2, 0.4, 0.0], [0.8, 0.6], [], [0.3]]
    antagonist: list[list[float]] = [[0.9, 0.5], [0.1], [0.9], []]
    paid: list[Any] = []

    def noted(teacher: DesignerPolicy, rewards: Any) -> dict[str, float]:
        paid.append(rewards)
        return {}

    monkeypatch.setattr(DesignerPolicy, "update", noted)
    designer = _designer(pays=pays)
    assert designer.students == (1 if "minimax" in pays else 2)
    designed, told = _round(designer, [protagonist, antagonist][: designer.students])
    np.testing.assert_allclose(paid[0], expected, atol=1e-12)
    assert told["levels/teacher_reward"] == pytest.approx(np.mean(expected))
    assert told["levels/designer_steps"] == COUNT * 8
    assert all(levels is designed.levels[0] for levels in designed.levels)
    if designer.students == 2:
        assert told["levels/antagonist_return"] == pytest.approx(np.mean([0.7, 0.1, 0.9]))


def test_repaired_replays_from_an_archive_of_each_student_and_teaches_only_what_it_drew() -> None:
    designer = _designer(replay_prob=1.0, learn_on_new=False, archive=8, min_fill=0.25, score="max_mc")
    rng, seen, replayed = np.random.default_rng(1), [], 0
    best: list[dict[bytes, float]] = [{}, {}]
    for number in range(25):
        before = designer.state_dict()["teacher"]
        designed = designer.design(COUNT, rng)
        seen.append(designed.origin)
        assert designed.learn == (designed.origin == REPLAYED)
        for levels, highest, known in zip(designed.levels, designed.highest, best, strict=True):
            keys = levels.keys()
            assert highest.tolist() == [known.get(key, -np.inf) for key in keys]
        # The students do well on different levels, so that their archives part.
        returns = [[[float((number + n) % 3 == of)] for n in range(COUNT)] for of in range(2)]
        played = [_played(levels, each) for levels, each in zip(designed.levels, returns, strict=True)]
        told = designer.played(designed, played)
        same = _same(before, designer.state_dict()["teacher"])
        assert same == (designed.origin == REPLAYED) == ("levels/teacher_reward" not in told)
        replayed += designed.levels[0].keys() != designed.levels[1].keys()
        for one, known, levels, found in zip(designer._kept, best, designed.levels, played, strict=True):
            for key, value in zip(levels.keys(), found.highest, strict=True):
                known[key] = max(known.get(key, -np.inf), value)
            for key in [key for key in known if one.archive.slot_of(key) is None]:
                del known[key]  # pushed out
    assert {NEW, REPLAYED} == set(seen) and replayed > 5
    assert seen[0] == NEW


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return bool(torch.equal(one, other)) if isinstance(one, torch.Tensor) else bool(one == other)


def test_its_turns_are_counted_as_they_vary() -> None:
    designer, turns = _designer(vary_walls=True, memory_size=4), 0
    for _ in range(3):
        designer.design(COUNT, np.random.default_rng(0))
        drawn = designer._teacher._drawn
        assert drawn is not None
        turns += int(drawn.open.sum())
    designed = designer.design(COUNT, np.random.default_rng(0))
    turns += int(designer._teacher._drawn.open.sum())  # type: ignore[union-attr]
    told = designer.played(designed, [_played(designed.levels[0], [[0.5]] * COUNT)] * 2)
    assert told["levels/designer_steps"] == turns < 4 * COUNT * 8
    assert told["levels/teacher_reward"] == 0.0 and "levels/rank_teacher" not in told


def _learning(tmp_path: Path, choice: str, *more: str) -> Learning:
    config = compose([*TINY, f"curriculum={choice}", f"results_dir={tmp_path}", *more]).config
    learning = make_learning(config, build(config))
    assert isinstance(learning, Learning)
    return learning


@pytest.mark.parametrize("choice", ["minimax", *BOTH])
def test_a_round_goes_from_teacher_to_student_to_antagonist_to_teacher(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = _learning(tmp_path, choice)
    agents = {id(learning.parts.agent): "protagonist"}
    if learning.parts.rival is not None:
        agents[id(learning.parts.rival[0])] = "antagonist"
    order: list[str] = []

    def noted(owner: type, method: str, name: Callable[[Any], str]) -> None:
        does = getattr(owner, method)

        def wrapped(self: Any, *arguments: Any) -> Any:
            order.append(f"{name(self)} {method}")
            return does(self, *arguments)

        monkeypatch.setattr(owner, method, wrapped)

    noted(Collector, "collect", lambda collector: agents[id(collector.agent)])
    noted(type(learning.parts.agent), "update", lambda agent: agents[id(agent)])
    noted(DesignerPolicy, "draw", lambda _: "teacher")
    noted(DesignerPolicy, "update", lambda _: "teacher")
    frames, told = learning.iterate(0)
    turn = ("collect",) if choice == "repaired" else ("collect", "update")
    students = [f"{student} {does}" for student in agents.values() for does in turn]
    assert order == ["teacher draw", *students, "teacher update"]
    assert frames == 4 * 24 * len(agents) == learning.least * 24
    columns = {name for each in told for name in each}
    assert columns <= {*learning.metrics, *learning.parts.metrics, "reward/task_mean"}


def test_students_are_two_and_stay_as_they_are_on_levels_that_are_only_tried(tmp_path: Path) -> None:
    learning = _learning(tmp_path, "repaired", "agent.memory=gru", "agent.normalise_observation=true")
    assert learning.parts.rival is not None
    students = [learning.parts.agent, learning.parts.rival[0]]
    first = [student.state_dict() for student in students]
    assert not _same(first[0]["network"], first[1]["network"])
    learning.iterate(0)
    assert all(_same(before, student.state_dict()) for before, student in zip(first, students, strict=True))
    taught = _learning(tmp_path, "paired")
    assert taught.parts.rival is not None
    both = [taught.parts.agent, taught.parts.rival[0]]
    before = [student.state_dict() for student in both]
    taught.iterate(0)
    after = [student.state_dict() for student in both]
    assert not any(_same(one["network"], other["network"]) for one, other in zip(before, after, strict=True))


class _Walled(MazeDrawing):
    """The goal stands in a corner behind walls, the agent in the opposite one."""

    def mazes(self) -> Mazes:
        made = super().mazes()
        walls = np.zeros_like(made.walls)
        walls[:, 0, 1] = walls[:, 1, 0] = True
        last = np.full(len(walls), walls[0].size - 1)
        return Mazes(walls, last, made.heading, np.zeros_like(last))


@pytest.mark.parametrize("choice", ["minimax", "paired", "flexible_paired"])
def test_a_level_without_a_way_pays_nothing_and_has_no_regret(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "MazeDrawing", _Walled)
    found = {name: value for each in _learning(tmp_path, choice).iterate(0)[1] for name, value in each.items()}
    assert found["levels/solvable"] == found["levels/teacher_reward"] == found["levels/regret"] == 0.0


@pytest.mark.parametrize(
    "setting",
    [
        "curriculum=paired curriculum.memory_size=8 curriculum.vary_walls=true agent.memory=gru reward=rnd"
        " reward.warmup=5",
        "curriculum=repaired curriculum.archive=20 curriculum.order=goal_first",
    ],
)
def test_an_interrupted_run_goes_on_exactly(setting: str, tmp_path: Path, fault: Callable[..., Any]) -> None:
    tiny = [*TINY, *setting.split(), "frames=2000", "eval.every=900", "eval.episodes=2", "checkpoint.every=500"]
    assert run(compose([*tiny, f"results_dir={tmp_path / 'unbroken'}"])) == 0
    broken = [*tiny, f"results_dir={tmp_path / 'broken'}"]
    with fault(Designer, "played", 7):
        assert run(compose(broken)) == 1
    assert run(compose(broken)) == 0
    kept = [load(tmp_path / name) for name in ("unbroken", "broken")]
    assert kept[0].runs["frames"].item() == kept[1].runs["frames"].item() > 2000 - 4 * 2
    for table in ("training", "evaluations"):
        one, other = (
            getattr(found, table).drop(columns=["run", "wall_seconds", "cpu_seconds", "fps"], errors="ignore")
            for found in kept
        )
        assert one.fillna(-1.0).equals(other.fillna(-1.0))
    if "repaired" in setting:
        assert {0.0, 1.0} <= set(kept[0].training["levels/replayed"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("curriculum=repaired curriculum.replay_prob=0", "nobody would ever learn"),
        ("curriculum=paired curriculum.pays=maximin", "minimax"),
        ("curriculum=paired curriculum.walls=-1", "walls"),
        ("curriculum=paired agent=dqn", "agent=ppo"),
        ("curriculum=minimax env=empty_5x5", "env=maze"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(wrong: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        build(compose([*TINY[:1], f"results_dir={tmp_path}", *wrong.split()]).config)
    assert "\n" not in str(refusal.value)
