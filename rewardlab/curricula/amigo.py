"""AMIGo: a teacher sets cells of the grid as goals, paid for those that the agent takes long to reach

Paper: Campero et al. 2021, Learning with AMIGo: adversarially motivated intrinsic goals (arXiv:2006.12122)
Assumes: privileged

A goal is a cell. It is reached when anything in the cell changes, the agent's coming included (reach=change, the
published --modify), or when the agent is there (reach=agent); then, and at an episode's start, the teacher sets the
next one from the full grid. The agent reads where the goal lies, in cells ahead of it and to its right, as the entry
`goal`, and is paid 1 - time_cost * steps / max_steps for reaching it, in the stream `goal`.

The teacher is a policy over cells whose episodes are one goal long. It gets alpha for a goal that took t* steps or
more, -beta for an easier one or one not reached, and 1 where the task paid (section 3.2). t* begins at start_target and
grows by 1 after `patience` batches in a row whose mean reward, the task's left aside, is at least `threshold`.

Constants are those of the paper's code (alpha 0.7, beta 0.3, t* from 7 to 100, batches of 150, entropy 0.05, learning
rate 2e-3). There the agent reads the full grid with the goal as a channel (env.observation=full is near that), a goal
also counts as reached when the next level's first frame differs in its cell, the teacher's logits pass through an ELU,
its value reads unpooled features, and RMSprop is the optimiser.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rewardlab.errors import UserError
from rewardlab.facts import GRID
from rewardlab.maths.goals import agent_places, changed, goal_reward, offsets, teacher_loss, teacher_reward
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.init import seeded_conv2d, seeded_linear
from rewardlab.parts.conditioner import BaseConditioner
from rewardlab.parts.state import load_state, state_of
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import (
    Array,
    Asked,
    Attempts,
    BuildContext,
    Metrics,
    Obs,
    ObsSpec,
    Rollout,
    State,
    StreamSpec,
)

VERSION = 1

_FARTHEST = 24  # cells, each way: as far as MiniGrid's largest grids go
_MAX_GRAD_NORM = 40.0
_KINDS = ((11, 5), (6, 3), (4, 2))  # objects, colours, states: how many, and the size of their embeddings
_METRICS = ("loss/teacher", "loss/teacher_entropy")
_GOALS = ("goals/reached", "goals/steps", "goals/teacher_reward", "goals/target")


@dataclass
class Config(CurriculumConfig):
    coef: float = option(1.0, "weight of the pay for reaching goals", minimum=0)
    reach: str = option(
        "change", "when a goal is reached: its cell changes, or the agent is there", choices=("change", "agent")
    )
    time_cost: float = option(0.9, "share of the pay that is lost at the step limit; 0: always 1", minimum=0, maximum=1)
    alpha: float = option(0.7, "teacher's reward for goals that take t* steps or more", minimum=0)
    beta: float = option(0.3, "what it pays for easier ones and those not reached", minimum=0)
    start_target: int = option(7, "t* at first, in steps", above=0)
    largest_target: int = option(100, "t* grows no further", above=0)
    threshold: float = option(0.1, "mean reward from which on a batch of goals counts as mastered")
    patience: int = option(10, "batches in a row to be mastered before t* grows by 1", above=0)
    batch_size: int = option(150, "goals of one gradient step of the teacher", above=0)
    learning_rate: float = option(2e-3, "of the teacher (Adam)", above=0)
    entropy_coef: float = option(0.05, "weight of the teacher's entropy", minimum=0)
    value_coef: float = option(0.25, "weight of the teacher's value loss (mean squared error)", minimum=0)

    def privileged(self) -> tuple[str, ...]:
        return (GRID,)


class Conditioner(BaseConditioner):
    """The teacher, its difficulty t*, and the goals that it has not learnt from yet."""

    metrics = (*_METRICS, *_GOALS)
    assumes = frozenset({"privileged"})

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the environment has no grid.
        """
        if GRID not in context.spec.privileged:
            raise UserError(
                f"curriculum={config.name or config.plugin}: sets cells of a grid as goals, and {context.spec.id} has"
                " none; use a MiniGrid task"
            )
        self.config = config
        self.obs = {"goal": ObsSpec((2,), "int64", 2 * _FARTHEST)}
        self.streams = (StreamSpec("goal", context.gamma, config.coef),)
        self._max_steps = context.spec.max_steps
        self._device = context.device
        self._teacher = _Teacher(context.generator).to(context.device)
        self._optimiser = Adam(self._teacher.parameters(), config.learning_rate)
        self._target, self._mastered = float(config.start_target), 0
        self._ended: dict[str, list[Array]] = {name: [] for name in _KEPT}

    @torch.no_grad()
    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        """`cell`, int64 [B], and the `log_prob` that it was drawn with, float32 [B]."""
        logits, _ = self._teacher(torch.from_numpy(asked.facts[GRID]).to(self._device))
        log_policy = torch.log_softmax(logits, dim=-1).cpu()
        cell = torch.multinomial(log_policy.exp(), 1, generator=rng)
        return {"cell": cell[:, 0].numpy(), "log_prob": log_policy.gather(1, cell)[:, 0].numpy()}

    def show(self, goal: Obs, facts: Obs) -> Obs:
        seen = offsets(facts[GRID], goal["cell"]).clip(-_FARTHEST, _FARTHEST)
        return {"goal": seen + _FARTHEST}

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        if self.config.reach == "change":
            return changed(start[GRID], facts[GRID], goal["cell"])
        found: Array = agent_places(facts[GRID])[0] == goal["cell"]
        return found

    def take_in(self, attempts: Attempts) -> None:
        kept = {
            GRID: attempts.start[GRID],
            **attempts.goal,
            "steps": attempts.steps,
            "reached": attempts.reached,
            "solved": attempts.task_reward > 0,
        }
        for name, values in self._ended.items():
            values.append(kept[name])

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        reached, steps = rollout.privileged["goal_reached"], rollout.privileged["goal_steps"]
        return {"goal": goal_reward(reached, steps, self._max_steps, self.config.time_cost)}

    def update(self) -> Metrics:
        """A gradient step for each whole batch of goals, in the order in which they ended."""
        size, found = self.config.batch_size, []
        ended = self._joined()
        count = len(ended["cell"]) if ended else 0
        for start in range(0, count - size + 1, size):
            found.append(self._learn({name: values[start : start + size] for name, values in ended.items()}))
        left = {name: values[count - count % size :] for name, values in ended.items()}
        self._ended = {name: [left[name]] if count % size else [] for name in _KEPT}
        means = np.mean(found, axis=0).tolist() if found else []
        return dict(zip(self.metrics, means, strict=False)) | {"goals/target": self._target}

    def state_dict(self) -> State:
        pieces = state_of({"teacher": self._teacher, "optimiser": self._optimiser})
        ended = {name: torch.from_numpy(values.copy()) for name, values in self._joined().items()}
        return pieces | {"target": self._target, "mastered": self._mastered, "ended": ended}

    def load_state_dict(self, state: State) -> None:
        load_state({"teacher": self._teacher, "optimiser": self._optimiser}, state)
        self._target, self._mastered = state["target"], state["mastered"]
        ended = {name: values.cpu().numpy().copy() for name, values in state["ended"].items()}
        self._ended = {name: [ended[name]] if ended else [] for name in _KEPT}

    def _joined(self) -> dict[str, Array]:
        """The goals that ended, in arrays; empty where there are none."""
        return {name: np.concatenate(values) for name, values in self._ended.items() if values}

    def _learn(self, batch: dict[str, Array]) -> tuple[float, ...]:
        """One gradient step on one batch of goals, and what it means for t*."""
        config = self.config
        reward = teacher_reward(batch["steps"], batch["reached"], self._target, config.alpha, config.beta)
        self._raise_target(float(reward.mean()))
        paid = np.where(batch["solved"], np.float32(1.0), reward)
        tensors = {name: torch.from_numpy(values).to(self._device) for name, values in batch.items()}
        logits, value = self._teacher(tensors[GRID])
        loss, entropy = teacher_loss(
            logits,
            value,
            tensors["cell"],
            tensors["log_prob"],
            torch.from_numpy(paid).to(self._device),
            config.value_coef,
            config.entropy_coef,
        )
        gradient = self._optimiser.gradient(loss)
        clip_norm(gradient, _MAX_GRAD_NORM)
        self._optimiser.step(gradient)
        told = (float(loss.detach()), float(entropy.detach()))
        return (*told, float(batch["reached"].mean()), float(batch["steps"].mean()), float(paid.mean()))

    def _raise_target(self, mean_reward: float) -> None:
        self._mastered = self._mastered + 1 if mean_reward >= self.config.threshold else 0
        if self._mastered >= self.config.patience and self._target < self.config.largest_target:
            self._target, self._mastered = self._target + 1.0, 0


_KEPT = (GRID, "cell", "log_prob", "steps", "reached", "solved")


class _Teacher(nn.Module):
    """Grids, uint8 [B, W, H, 3] of any size -> logits of their cells [B, W * H], value [B]."""

    def __init__(self, generator: torch.Generator, channels: int = 16) -> None:
        super().__init__()
        self.tables = nn.ParameterList(
            [nn.Parameter(torch.randn(count, size, generator=generator)) for count, size in _KINDS]
        )
        widths = (sum(size for _, size in _KINDS), channels, channels, channels)
        self.convolutions = nn.ModuleList([seeded_conv2d(a, b, 3, generator, padding=1) for a, b in pairwise(widths)])
        self.logits = seeded_conv2d(channels, 1, 3, generator, gain=0.01, padding=1)
        self.value = seeded_linear(channels, 1, generator, gain=1.0)

    def forward(self, grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = grids.long()
        features = torch.cat([table[codes[..., k]] for k, table in enumerate(self.tables)], dim=-1).permute(0, 3, 1, 2)
        for convolution in self.convolutions:
            features = functional.elu(convolution(features))
        return self.logits(features).flatten(1), self.value(features.mean(dim=(2, 3)))[:, 0]
