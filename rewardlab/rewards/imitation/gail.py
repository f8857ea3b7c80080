"""GAIL: pays steps that a discriminator takes for demonstrated ones.

Paper: Ho and Ermon 2016, Generative adversarial imitation learning
Assumes: demos

D(s, a) learns to tell demonstrated steps (1) from the agent's latest (0), with a penalty on the slope of its logit
between the two (Gulrajani et al. 2017). On replay that is DAC (Kostrikov et al. 2019, arXiv:1809.02925), whose learner
fails without the penalty (Blonde et al. 2022, Lipschitzness is all you need to tame off-policy generative adversarial
imitation learning, arXiv:2006.16785); there memory=100_000 and agent.bonus=replayed, so that the D of now pays. DAC's
absorbing states are left out: where episodes end, form=positive pays for staying, form=negative for leaving; the
default can do either. The task's reward counts nothing by default.

With fit_share < 1 D learns in that share of the budget only. A D that stays as it is can be fooled; one that goes on
learning from what the policy does now less so (Adv-GRPO, The image as its own reward, which has a fixed reward as its
baseline).

D is shown the actions that were executed: beyond the bounds of a box they are clipped, as the world clips them.

Constants: penalty 10 and batches of 256 as in DAC's code; its network of 256, 256 is smaller here.
"""

from dataclasses import dataclass

import torch

from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.adversarial import REWARDS, gradient_penalty, imitation_reward, told_apart
from rewardlab.maths.boxes import executed
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.buffers.replay import Replay
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, TensorObs, Transitions

VERSION = 2


@dataclass
class Config(DemosOptions, BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    form: str = option("logit", "log D - log(1 - D), -log(1 - D) or log D", choices=REWARDS)
    gradient_penalty: float = option(10.0, "weight of the penalty on D's slope; 0: none", minimum=0)
    memory: int = option(2048, "the agent's latest steps, from which D tells the demonstrated ones", above=0)
    samples_per_step: float = option(1.0, "how many of them D learns from, for each step played", above=0)
    batch_size: int = option(256, "steps of each kind in a gradient step of D", above=0)
    hidden: int = option(128, "width of D's two layers", above=0)
    learning_rate: float = option(1e-3, "Adam's step size of D", above=0)
    fit_share: float = option(
        1.0, "share of the budget in which D learns; then it stays as it is", above=0, maximum=1, neutral=1.0
    )


class Scheme(BonusScheme):
    """The discriminator learns after the rollout is paid."""

    metrics = ("loss/gail_discriminator", "loss/gail_penalty", "explore/gail_told_apart")
    models_task = True
    pays_anew = True
    pays_prediction = True
    stateful = ("judge", "optimiser", "memory")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or some that do not fit the environment.
        """
        super().__init__(config, context)
        if config.demos is None:
            raise UserError("reward=gail: needs demonstrations, such as rewardlab demos records: reward.demos=DIR")
        self.config, self.assumes = config, self.assumes | {"demos"}
        spec = context.spec
        self._file = config.demonstrations("reward", spec)
        self._demonstrated: Replay | None = None
        self._onehot = can_onehot(spec.obs)
        self._low, self._high = (
            torch.tensor(bound).reshape(spec.action.shape or (0,)).to(context.device)
            for bound in (spec.action.low, spec.action.high)
        )
        self.judge = flat_network(
            spec.obs,
            (config.hidden, config.hidden, 1),
            context.generator,
            onehot=self._onehot,
            beside=action_size(spec.action),
            activation="tanh",
        ).to(context.device)
        self.optimiser = Adam(self.judge.parameters(), config.learning_rate)
        self.memory = Replay(config.memory, context.device)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return self._paid(rollout.obs, rollout.action)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": self._paid(steps.obs, steps.action)}

    def update(self, rollout: Rollout) -> Metrics:
        config, count = self.config, rollout.task_reward.numel()
        if rollout.progress >= config.fit_share < 1:
            return {}
        obs = {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}
        self.memory.add(Transitions(obs, rollout.action.flatten(0, 1)))
        losses, penalties, right = [], [], []
        for _ in range(max(1, round(count * config.samples_per_step / config.batch_size))):
            played, _ = self.memory.sample(config.batch_size, self.context.numpy_rng)
            shown, own = self._drawn(config.batch_size), self._inputs(played.obs, played.action)
            logits = self._logits(torch.cat([shown, own]))
            loss = told_apart(*logits.chunk(2))
            right.append(
                ((logits > 0) == (torch.arange(len(logits), device=logits.device) < len(shown))).float().mean()
            )
            losses.append(loss.detach())
            if config.gradient_penalty > 0:
                at = torch.rand(len(own), generator=self.context.generator).to(own.device)
                penalty = gradient_penalty(self._logits, shown, own, at)
                penalties.append(penalty.detach())
                loss = loss + config.gradient_penalty * penalty
            self.optimiser.step(self.optimiser.gradient(loss))
        told = dict(zip(self.metrics, (losses, penalties, right), strict=True))
        return {name: float(torch.stack(values).mean()) for name, values in told.items() if values}

    def _drawn(self, count: int) -> torch.Tensor:
        """Demonstrated steps as inputs of the judge, [count, D]; encoded when drawn: all at once fill the memory."""
        if self._demonstrated is None:
            steps = self._file.read().transitions(self.context.gamma)
            self._demonstrated = Replay(len(steps.action), self.context.device)
            self._demonstrated.add(steps)
        chosen = torch.randint(len(self._demonstrated), (count,), generator=self.context.generator)
        steps = self._demonstrated.at(chosen.numpy())
        return self._inputs(steps.obs, steps.action)

    def _paid(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        return imitation_reward(self._logits(self._inputs(obs, action)), self.config.form)

    def _inputs(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        spec = self.context.spec
        shown = encode_flat(obs, spec.obs, onehot=self._onehot)
        if not spec.action.discrete:
            action = executed(action, self._low, self._high, spec.action.whole)
        return torch.cat([shown, encode_action(action, spec.action)], dim=-1)

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.judge(inputs).squeeze(-1)
        return logits
