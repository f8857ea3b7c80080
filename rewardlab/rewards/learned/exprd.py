"""EXPRD: a reward designed for a known task, few states pay, and what is right shows early.

Paper: Devidze et al. 2021, Explicable reward design for reinforcement learning agents
Assumes: privileged (the whole task as tables)

Linear programs (`maths/reward_design.py`) find R(s, a), which is paid in place of the task's reward: task_coef is 0 by
default. Every policy that is best for R is best for the task: wrong actions stay as far from the best one as they are
under the task. Beyond that R makes them look wrong within few steps, in up to `states` states: those where the task
itself pays, then greedily what helps most. With adaptive=true (EXPADARD: Devidze et al. 2024, Informativeness of reward
functions in reinforcement learning) R is what moves the learner's policy most towards the best one, by one step of its
logits, and is sought again after every `every` episodes; the states stay those picked at first.

For environments that tell their whole task: env=deepsea, and gymnasium's FrozenLake, CliffWalking and the like. Time
limits are no part of it, and states that no episode can reach are left out. mu and the best policy are exact.

Otherwise than the authors: the sum of |R| counts a little, so that of equally good R the smallest is taken. Of the two
published codes' horizons these are the first's (steps 0 to H). The weight in adaptive=true has pi(a|s) squared, as the
step on logits has it. The learner is any agent and learns from all its steps; theirs is REINFORCE on a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.maths.reward_design import Design
from rewardlab.maths.tables import occupancy, reachable, restricted
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 1
_MOST_STATES = 200  # that can be reached; the programs take minutes beyond
_MOST_NUMBERED = 3000


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    states: int | None = option(5, "how many states may pay, those where the task does included; null: all", above=0)
    r_max: float = option(10.0, "bound of |R|", above=0)
    horizons: list[int] = option([1, 4, 8, 16, 32], "after how many more steps wrong actions should look wrong")
    state_only: bool = option(False, "whether R is the same for all actions of a state")
    sparsity: float = option(1e-6, "weight of the sum of |R|; next to 0: the smallest of equally good R", minimum=0)
    adaptive: bool = option(False, "seek R anew as the policy learns (EXPADARD); agents that have probabilities only")
    every: int = option(5, "episodes after which it is, with adaptive=true", above=0)

    def validate(self) -> None:
        if not self.horizons or min(self.horizons) < 0 or max(self.horizons) > 1000:
            raise ValueError(f"horizons={self.horizons}: must be one or several numbers from 0 to 1000")


class Scheme(BonusScheme):
    """R is a table over all numbers of states; 0 where it was not sought."""

    metrics = ("reward/exprd_criterion", "reward/exprd_largest")
    models_task = True
    reads_mdp = True
    pays_anew = True
    pays_prediction = True
    stateful = ("table",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the task is not told, has too many states, pays in more of them than may pay, or more than r_max.
        """
        super().__init__(config, context)
        spec = context.spec
        self.reads_policy = config.adaptive
        self.config = config
        assert spec.mdp is not None and spec.action.n is not None, "refused by the base class"
        numbered = spec.obs["cell"].high + 1 if "cell" in spec.obs else spec.obs["vector"].shape[0]
        if context.gamma >= 1:
            raise UserError(f"reward=exprd: needs agent.gamma below 1, not {context.gamma:g}")
        if numbered > _MOST_NUMBERED:
            raise UserError(f"reward=exprd: {spec.id} has {numbered} states; at most {_MOST_NUMBERED} can be held")
        whole = spec.mdp()
        reached = reachable(whole)
        self._states = np.flatnonzero(reached)
        if len(self._states) > _MOST_STATES:
            raise UserError(
                f"reward=exprd: {spec.id} has {len(self._states)} states that can be reached; at most {_MOST_STATES}"
                " can be designed for"
            )
        self._mdp = restricted(whole, reached)
        paying, largest = int((self._mdp.reward != 0).any(axis=1).sum()), float(np.abs(self._mdp.reward).max())
        if config.states is not None and config.states < paying:
            raise UserError(
                f"reward.states={config.states}: {spec.id} itself pays in {paying} states, which are among them; set"
                f" reward.states={paying} or more, or null for all"
            )
        if largest > config.r_max:
            raise UserError(f"reward.r_max={config.r_max:g}: {spec.id} itself pays up to {largest:g}; raise it")
        self._design = Design(
            self._mdp, context.gamma, config.r_max, config.horizons, config.state_only, config.sparsity
        )
        self.table = _Table(numbered, spec.action.n)
        best = np.eye(spec.action.n)[self._design.best]
        self._best_here = occupancy(self._mdp, best, context.gamma)
        try:
            some = np.ones(len(self._states), dtype=bool)
            self._free = some if config.states is None else self._design.picked(config.states)
            self._seek()
        except ValueError:
            options = (
                "reward.state_only=false or a larger reward.r_max" if config.state_only else "a larger reward.r_max"
            )
            raise UserError(
                f"reward=exprd: no such reward keeps the best policy of {spec.id} apart; use {options}"
            ) from None

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return self._paid(rollout.obs, rollout.action)

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": self._paid(steps.obs, steps.action)}

    def update(self, rollout: Rollout) -> Metrics:
        if self.config.adaptive:
            at = _numbers(rollout.obs).flatten().cpu().numpy()
            self.table.policy[at] = rollout.dist["logits"].double().softmax(dim=-1).flatten(0, 1).cpu().numpy()
            self.table.ended += int(rollout.done.sum())
            if self.table.ended >= self.config.every:
                self.table.ended = 0
                self._seek()
        reward = self.table.reward[self._states]
        return dict(zip(self.metrics, (self._design.criterion(reward), float(np.abs(reward).max())), strict=True))

    def _seek(self) -> None:
        if not self.config.adaptive:
            self.table.reward[self._states] = self._design.informative(self._free)
            return
        policy = self.table.policy[self._states]
        here = occupancy(self._mdp, policy, self.context.gamma)
        self.table.reward[self._states] = self._design.adapted(self._free, policy, here, self._best_here)

    def _paid(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        table = torch.from_numpy(self.table.reward).float().to(action.device)
        return table[_numbers(obs), action]


class _Table:
    """R and the learner's policy, [S, A] each; how many episodes ended since R was sought."""

    def __init__(self, states: int, actions: int) -> None:
        self.reward: Array = np.zeros((states, actions))
        self.policy: Array = np.full((states, actions), 1.0 / actions)
        self.ended = 0

    def state_dict(self) -> State:
        return {
            "reward": torch.from_numpy(self.reward.copy()),
            "policy": torch.from_numpy(self.policy.copy()),
            "ended": self.ended,
        }

    def load_state_dict(self, state: State) -> None:
        self.reward, self.policy = (state[name].cpu().numpy().copy() for name in ("reward", "policy"))
        self.ended = state["ended"]


def _numbers(obs: TensorObs) -> torch.Tensor:
    """The numbers of states, int64 [...]: see `EnvSpec.mdp`."""
    return obs["cell"][..., 0].long() if "cell" in obs else obs["vector"].argmax(dim=-1)
