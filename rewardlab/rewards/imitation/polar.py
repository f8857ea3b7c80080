"""POLAR: pays steps that look like the demonstrator's, by a scorer that learned to tell policies apart.

Paper: Dou et al. 2025, Pre-trained policy discriminators are general reward models
Assumes: demos

A scorer r(reference, step) learns from play alone, without a preference or the task's reward: of two segments the one
that the reference's own policy played is to have the greater sum, by Bradley and Terry's model. Policies are the agent
at different times, `policies` periods of its budget, and the demonstrator where there are two demonstrations. The
demonstrations are the reference, and a step is paid tanh r + `offset`.

After the abstract; the rest is ours. There, a language model reads reference and candidate, thousands of policies are
other models, people's preferences follow, and what is paid is a whole answer. Here, a reference is the mean of what its
steps are, observation and action, one-hot where they are codes; the pool grows while the agent learns; and each step is
paid. As with preferences, segments of equal length leave zero open: a small penalty on the squares of scores holds them
near it, and the offset of -1 pays no step more than 0, so that to end well is never a loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.preference_losses import preference_loss
from rewardlab.networks.init import mlp
from rewardlab.networks.picture import reads_as_picture
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.policy_pool import PolicyPool
from rewardlab.parts.models.step_inputs import StepInputs
from rewardlab.parts.models.step_rewards import StepRewards
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Episode, Metrics, Rollout, State, Transitions

VERSION = 1

_DEMONSTRATOR = -1
_AROUND_ZERO = 0.01  # weight of the squares of scores: comparisons leave zero open, and tanh would be flat far from it
_LAST_GAIN = 0.1  # of the last layer: rewards begin near the offset


@dataclass
class Config(DemosOptions, BonusConfig):
    coef: float = option(0.01, "weight of what is paid: every step is, so that returns are large", minimum=0)
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    policies: int = option(10, "periods of the budget, in each of which the agent counts as another policy", above=0)
    episodes: int = option(20, "the latest of each policy, which are compared", minimum=2)
    segment: int = option(8, "steps of the segments that are compared, at most", above=0)
    reference: int = option(32, "steps that stand for a policy while the scorer learns", above=0)
    batch_size: int = option(16, "pairs of segments in a gradient step", above=0)
    samples_per_step: float = option(2.0, "how many steps are compared, for each step played", above=0)
    hidden: int = option(64, "width of the scorer's two layers", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    offset: float = option(-1.0, "added to what every step is paid")


class Scheme(BonusScheme):
    """The scorer learns after the rollout is paid."""

    metrics = ("loss/polar", "explore/polar_accuracy", "explore/polar_policies")
    models_task = True
    whole_episodes = True
    pays_anew = True
    pays_prediction = True
    stateful = ("scorer", "assembler", "pool")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or some that do not fit the environment, or it shows pictures.
        """
        super().__init__(config, context)
        spec = context.spec
        if any(reads_as_picture(entry) for entry in spec.obs.values()):
            raise UserError(f"reward=polar: its scorer reads numbers, and {spec.id} shows pictures; use another task")
        if config.demos is None:
            raise UserError("reward=polar: needs demonstrations, such as rewardlab demos records: reward.demos=DIR")
        self.config, self.assumes = config, self.assumes | {"demos"}
        self._file = config.demonstrations("reward", spec)
        self.inputs = StepInputs(spec, context.device, successors=False, onehot=True)
        widths = (2 * self.inputs.size, config.hidden, config.hidden, 1)
        network = mlp(widths, context.generator, last_gain=_LAST_GAIN).to(context.device)
        self.scorer = StepRewards(network, config.learning_rate)
        self.assembler = EpisodeAssembler(context.num_envs)
        self.pool = PolicyPool(config.episodes)
        self._target: torch.Tensor | None = None
        self._owed = 0.0  # steps that are still to be learned from

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        inputs, place = self.inputs.of_rollout(rollout)
        return self._paid(inputs)[place]

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": self._paid(self.inputs.of_steps(steps))}

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        self._demonstrated()
        period = min(int(rollout.progress * config.policies), config.policies - 1)
        self.pool.add(period, self.assembler.add(rollout))
        told: Metrics = {"explore/polar_policies": float(len(self.pool))}
        if len(self.pool) < 2:
            return told
        self._owed += rollout.task_reward.numel() * config.samples_per_step
        losses, right = [], []
        batch = 2 * config.segment * config.batch_size
        while self._owed >= batch:
            self._owed -= batch
            loss, agreed = self.fit()
            losses.append(float(loss))
            right.append(agreed)
        if losses:
            told |= {"loss/polar": sum(losses) / len(losses), "explore/polar_accuracy": sum(right) / len(right)}
        return told

    def fit(self) -> tuple[torch.Tensor, float]:
        """One gradient step: the loss before it, and the share of pairs of which the right one had the greater sum."""
        config, count = self.config, self.config.batch_size
        drawn = self.pool.draw(count, config.segment, config.reference, self.context.numpy_rng)
        of_policy = self.inputs.of_steps(drawn.reference).view(count, config.reference, -1).mean(dim=1)
        inputs = torch.cat([self.inputs.of_steps(drawn.steps), of_policy[drawn.of // 2]], dim=-1)
        right: list[float] = []

        def loss_of(scores: torch.Tensor) -> torch.Tensor:
            sums = scores.new_zeros(2 * count).index_add(0, drawn.of, scores).view(count, 2)
            apart = sums[:, 0] - sums[:, 1]
            right.append(float((apart > 0).float().mean()))
            ones = torch.ones_like(apart)
            return preference_loss(apart, ones, ones) + _AROUND_ZERO * scores.square().mean()

        return self.scorer.learn(inputs, loss_of), right[0]

    def state_dict(self) -> State:
        return super().state_dict() | {"owed": self._owed}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._owed = state["owed"]

    def _paid(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [B, D] -> [B]."""
        target = self._demonstrated().expand(len(inputs), -1)
        return torch.tanh(self.scorer.of(torch.cat([inputs, target], dim=-1))) + self.config.offset

    def _demonstrated(self) -> torch.Tensor:
        """What stands for the demonstrator: the mean of all demonstrated steps, [D]; read when it is first asked for.

        From then on the demonstrations are in the pool.
        """
        if self._target is None:
            episodes = [self._moved(one) for one in self._file.read().episodes]
            shown = [self.inputs.of(one.obs, one.action, {}) for one in episodes]
            self._target = torch.cat(shown).mean(dim=0)
            self.pool.add(_DEMONSTRATOR, episodes)
        return self._target

    def _moved(self, episode: Episode) -> Episode:
        device = self.context.device
        obs = {name: entry.to(device) for name, entry in episode.obs.items()}
        return replace(episode, obs=obs, action=episode.action.to(device))
