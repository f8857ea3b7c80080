"""ExploRS: a table of rewards that learns which actions turned out better than expected, and a bonus for new states.

Paper: Devidze et al. 2022, Exploration-guided reward shaping for reinforcement learning under sparse rewards
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

Beside the task's reward a step from s to s' is paid R(s, a) + B(s'). B = scale / sqrt((scale / most)^2 + N(s')), N the
visits to s' before this one, and 0 where the task terminates. After a rollout every step of it moves R:

    R(s, .) <- R(s, .) + learning_rate pi(a|s) (G - V(s)) (onehot(a) - pi(.|s))

G is the return of the task alone, V a table of what it is on average. This is the paper's update (its myopic one, with
one step of the learner and no gradient through its past) for tables. `learning_rate=0` leaves the bonus alone (ExploB
there), `scale=0` the shaping (SelfRS).

What is paid of R is R(s, a) - sum_b pi(b|s) R(s, b): every step raises R of what is done, so that R itself comes to pay
for living on (`centred=false`, as published: PPO on DoorKey-6x6 learns to reach the goal, and then to stay away). The
authors' scale and most are 1, in episodes of 30 steps; here they are those of reward=count.

As in the authors' tabular code: the bonus is of the next state, its count grows by visits; R takes the sum over steps.
Otherwise here: R learns once from each rollout instead of every 5 episodes from the latest 10, with the policy that
acted; where a rollout cuts an episode, or a time limit does, V stands for the rest of G. V moves by the mean of each
state's own errors, there by that of all. The authors' networks (for their LineK) are left out: states are told apart by
keys, as by reward=count.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.maths.gae import gae
from rewardlab.maths.self_shaping import shaping_steps, visit_bonus
from rewardlab.parts.memories.key_table import KeyTable
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.parts.state_keys import KINDS, CellOptions, StateKeys, revision_of
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import RootConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Rollout

VERSION = 1


@dataclass
class Config(CellOptions, BonusConfig):
    key: str = option("view", "what a state is: the agent's view, the full state, or a hash of likeness", choices=KINDS)
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024, neutral=32)
    scale: float = option(0.002, "scale of the bonus for new states; 0: no bonus", minimum=0)
    most: float = option(0.002, "the bonus of a state that was never visited", above=0)
    centred: bool = option(True, "whether R is paid less its mean under the policy; false: as published")
    learning_rate: float = option(0.01, "how far a step moves the rewards of its state; 0: they stay 0", minimum=0)
    value_rate: float = option(0.1, "how far V moves towards the returns of a rollout", above=0, maximum=1)
    clip: float | None = option(None, "bound of R(s, a); the authors set one for Q-learning only", above=0)

    def revision(self, setting: RootConfig) -> int:
        return revision_of(self.key)


class Scheme(BonusScheme):
    """R and V are tables by key; the bonus counts whole time steps at once."""

    metrics = ("explore/states", "reward/explors_shaping", "reward/explors_largest")
    models_task = True
    reads_policy = True
    stateful = ("keys", "visits", "rewards", "values")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: actions are not discrete.
        """
        super().__init__(config, context)
        actions = context.spec.action.n
        if actions is None:
            raise UserError(
                f"reward=explors: keeps a reward for each action, and those of {context.spec.id} are a box; use a task"
                " with discrete actions"
            )
        self.config = config
        self.keys = StateKeys("explors", config, context)
        self.tell_apart_by(self.keys)
        self.visits = VisitCounts()
        self.rewards, self.values = KeyTable(actions), KeyTable(1)
        self._shaping = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        config = self.config
        rewards = self.rewards.look_up(self.keys.acted_on(rollout))
        paid = np.take_along_axis(rewards, rollout.action.cpu().numpy()[..., None], axis=-1)[..., 0]
        if config.centred:
            paid -= (_policy(rollout) * rewards).sum(axis=-1)
        self._shaping = float(np.abs(paid).mean())
        before = self.visits.add(self.keys.reached(rollout)) - 1
        if config.scale > 0:
            new = visit_bonus(before, config.scale, config.most)
            paid += np.where(rollout.terminated.cpu().numpy(), 0.0, new)
        return torch.from_numpy(paid.astype(np.float32)).to(rollout.task_reward.device)

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        keys = self.keys.acted_on(rollout).ravel()
        advantage = self._advantages(rollout).ravel()
        if config.learning_rate > 0:
            policy = _policy(rollout).reshape(len(keys), -1)
            steps = shaping_steps(policy, rollout.action.flatten().cpu().numpy(), advantage)
            self.rewards.add(keys, config.learning_rate * steps)
            if config.clip is not None:
                self.rewards.clip(config.clip)
        _, place, times = np.unique(keys, return_inverse=True, return_counts=True)
        self.values.add(keys, (config.value_rate * advantage / times[place])[:, None])
        largest = np.abs(self.rewards.values).max() if len(self.rewards) else 0.0
        return dict(zip(self.metrics, (float(len(self.visits)), self._shaping, float(largest)), strict=True))

    def _advantages(self, rollout: Rollout) -> Array:
        """G - V(s) of the task's reward, float64 [T, N]."""
        acted_on, reached = (
            torch.from_numpy(self.values.look_up(keys)[..., 0])
            for keys in (self.keys.acted_on(rollout), self.keys.reached(rollout))
        )
        found: Array = gae(
            rollout.task_reward.double().cpu(),
            torch.cat([acted_on, reached[-1:]]),
            reached,
            rollout.terminated.cpu(),
            rollout.truncated.cpu(),
            gamma=self.context.gamma,
            gae_lambda=1.0,
        ).numpy()
        return found


def _policy(rollout: Rollout) -> Array:
    """The probabilities of all actions, float64 [T, N, A]."""
    found: Array = rollout.dist["logits"].double().softmax(dim=-1).cpu().numpy()
    return found
