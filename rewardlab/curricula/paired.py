"""PAIRED and its family: mazes drawn cell by cell by a teacher that learns what students get out of them

Paper: Dennis et al. 2020, Emergent complexity and zero-shot transfer via unsupervised environment design
(arXiv:2012.02096)
Assumes: level_design

Each round the teacher draws one level for every environment, held for a rollout. The student of the run plays and
learns first, then the second one, the antagonist, whose options are the same; then the teacher learns. Both students'
steps are frames; the teacher's turns are told as levels/designer_steps.

| choice | what a level pays the teacher, of the whole episodes on it |
|---|---|
| paired | the antagonist's best return less the student's mean, 0 at least |
| flexible_paired | the better best return, whosever it is, less the other's mean, 0 at least |
| minimax | less the student's best return; there is no antagonist |
| repaired | as paired; students learn from replayed levels only, each with an archive of its own: Jiang et al. 2021, |
|  | Replay-guided adversarial environment design (arXiv:2110.02439) |

pays=minimax_mean takes the mean return instead (google-research's code); paired_signed also pays below 0 (jaxued).

Rules are those of facebookresearch/dcd, but for its faults: the teacher learns only after rounds whose levels it drew,
where dcd pays its latest drawing with the regret of replayed levels, too; a level keeps its heading. Levels are
replayed when both archives are filled far enough; dcd looks at the student's. A student without a whole episode on a
level counts as having got 0 there. dcd's convolution has 128 filters, and PAIRED's teacher an LSTM of 256, for which
memory_size has a GRU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardlab.curricula.kept_levels import METRICS, ORACLE, KeptLevels, ReplayConfig
from rewardlab.gridworld.maze_drawing import ORDERS, MazeDrawing
from rewardlab.maths.level_scores import ALONE, TEACHER_REWARDS, teacher_reward
from rewardlab.maths.ranks import rank_correlation
from rewardlab.parts.models.designer_policy import DesignerPolicy
from rewardlab.schemas import RootConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Played, Round, State
from rewardlab.types.levels import NEW, REPLAYED

VERSION = 1
_STEPS = "levels/designer_steps"
_TOLD = ("levels/teacher_reward", "levels/rank_teacher", _STEPS)


@dataclass
class Config(ReplayConfig):
    pays: str = option("paired", "what the teacher is paid for", choices=TEACHER_REWARDS)
    order: str = option("walls_first", "in which a level is drawn; goal_first: goal, agent, walls", choices=ORDERS)
    walls: int | None = option(None, "turns for walls of each level; null: env.walls", minimum=0, maximum=10_000)
    vary_walls: bool = option(False, "the teacher's first action also says how many of these turns there are")
    filters: int = option(32, "of the teacher's convolution", above=0, maximum=1024)
    memory_size: int = option(0, "width of a gru over the teacher's turns; 0: none", minimum=0, maximum=4096)
    learning_rate: float = option(1e-4, "of the teacher (Adam)", above=0)
    epochs: int = option(5, "the teacher's gradient steps after each round of its levels, on all turns", above=0)
    entropy_coef: float = option(0.0, "weight of the teacher's entropy", minimum=0)

    def settle(self, setting: RootConfig) -> None:
        if self.walls is None:
            self.walls = getattr(setting.env, "walls", 0)


class Designer:
    """The teacher, and an archive for each student where levels are replayed."""

    turns: ClassVar[dict[str, str]] = {"on_policy": "level_rounds"}

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._config, self._size = config, context.spec.mazes
        self._generator = context.generator
        self.students = 1 if config.pays in ALONE else 2
        empty = self._canvas(1, np.random.default_rng(0))
        self._teacher = DesignerPolicy(
            empty.most,
            empty.cells,
            empty.shape,
            context.generator,
            filters=config.filters,
            memory_size=config.memory_size,
            learning_rate=config.learning_rate,
            epochs=config.epochs,
            entropy_coef=config.entropy_coef,
        )
        self._steps = 0
        self.metrics: tuple[str, ...] = (*_TOLD, *self._teacher.metrics)
        self.counts: tuple[str, ...] = (_STEPS,)
        if self.students > 1:
            self.metrics += ("levels/antagonist_return",)
        self._kept: list[KeptLevels] = []
        if config.replay_prob > 0:
            self._kept = [config.kept(self._size) for _ in range(self.students)]
            self.metrics, self.counts = (*self.metrics, *METRICS), (*self.counts, *METRICS)
        self.assumes = frozenset({"level_design", "privileged"} if config.score == ORACLE else {"level_design"})

    def design(self, count: int, rng: np.random.Generator) -> Round:
        config, kept = self._config, self._kept
        if kept and config.replays(min(one.archive.fill for one in kept), rng):
            drawn = [one.draw(count, rng) for one in kept]
            return Round([levels for levels, _ in drawn], [highest[:, 0] for _, highest in drawn], True, REPLAYED)
        canvas = self._canvas(count, rng)
        self._teacher.draw(canvas, self._generator)
        self._steps += canvas.taken
        levels = canvas.mazes()
        highest = [one.highest_of(levels)[:, 0] for one in kept] or [np.full(count, -np.inf)] * self.students
        return Round([levels] * self.students, highest, config.learn_on_new, NEW)

    def only_tried(self, count: int) -> int:
        return self._config.only_tried(count)

    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        for one, levels, found in zip(self._kept, round_.levels, played, strict=False):
            one.add(levels, self._config.scores(found), found.highest[:, None], found.steps)
        told = {_STEPS: float(self._steps)}
        if self.students > 1 and (known := np.isfinite(played[1].tried.mean)).any():
            told["levels/antagonist_return"] = float(played[1].tried.mean[known].mean())
        if round_.origin != NEW:
            return told
        rewards = teacher_reward(self._config.pays, *(found.tried for found in played))
        told["levels/teacher_reward"] = float(rewards.mean())
        rank = _rank(rewards, played[0].regret)
        return told | rank | self._teacher.update(rewards)

    def update(self, progress: float) -> Metrics:
        """The archive that is told of is that of the run's student."""
        return self._kept[0].metrics if self._kept else {}

    def state_dict(self) -> State:
        return {
            "teacher": self._teacher.state_dict(),
            "kept": [one.state_dict() for one in self._kept],
            "steps": self._steps,
        }

    def load_state_dict(self, state: State) -> None:
        self._teacher.load_state_dict(state["teacher"])
        for one, saved in zip(self._kept, state["kept"], strict=True):
            one.load_state_dict(saved)
        self._steps = state["steps"]

    def _canvas(self, count: int, rng: np.random.Generator) -> MazeDrawing:
        config = self._config
        return MazeDrawing(count, self._size, config.order, config.walls or 0, rng, vary=config.vary_walls)


def _rank(rewards: Array, regret: Array) -> Metrics:
    """How far the order of what was paid [N] is that of the exact regret [N], where both are known and differ."""
    known = np.isfinite(regret)
    rank = rank_correlation(rewards[known], regret[known]) if known.any() else float("nan")
    return {"levels/rank_teacher": rank} if np.isfinite(rank) else {}
