"""AIRL: learns from demonstrations a reward that is told apart from its shaping, and holds where the dynamics change.

Paper: Fu et al. 2018, Learning robust rewards with adversarial inverse reinforcement learning
Assumes: demos

A discriminator D tells demonstrated steps from the agent's latest ones. Its logit is f - log pi(a|s), with

    f(s, a, s') = g(s, a) + gamma (1 - done) h(s') - h(s),

g and h networks, and pi the policy of now, which is asked alike about demonstrated steps and the agent's own. Where the
two can't be told apart f is log pi, the soft advantage of what the demonstrations are best for: g is the reward of that
and h its values, up to a constant. `done` is an end by the task: it takes away h(s') and nothing else. After a time
limit h(s') counts.

A step is paid f. The logit itself, log D - log(1 - D), is f - log pi, and the mean of -log pi is the policy's entropy:
the agent's own `agent.entropy_coef` stands in its place, so that the two never count together. See
docs/demonstration_rewards.md for how large it is.

`frozen=RUN` takes g of another run's folder, pays it alone and learns nothing: h was of that run's dynamics. A g that
sees actions may hold what the other dynamics made of them; `actions=false` leaves them out, as the paper does to
transfer. Such a g is of the state that was acted on: it can't see how an episode ends.

Cross-checked with the code of imitation (HumanCompatibleAI), which has these widths and two gradient steps a round.
Actions beyond the bounds of a box are judged as the world clips them, by g and by pi.
The task's reward counts nothing by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.datasets.learned import learned_reward
from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.adversarial import shaped_reward, told_apart
from rewardlab.maths.boxes import executed
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.buffers.replay import Replay, joined
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, LogProb, Metrics, Rollout, TensorObs, Transitions

VERSION = 1
_DONE = "terminated"  # beside the observations of steps


@dataclass
class Config(DemosOptions, BonusConfig):
    coef: float = option(
        0.01, "weight of what is paid; f is about log pi in each step, so that returns are large", minimum=0
    )
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    actions: bool = option(True, "whether g sees the action; false: a reward of states, for other dynamics")
    frozen: str | None = option(
        None, "the folder of a run whose g alone is paid, as it is; null: it is learned here", dataset=True
    )
    memory: int = option(2048, "the agent's latest steps, from which D tells the demonstrated ones", above=0)
    updates: int = option(2, "gradient steps of D after each rollout", above=0)
    batch_size: int = option(256, "steps of each kind in a gradient step of D", above=0)
    hidden: int = option(32, "width of g's one layer and h's two", above=0)
    learning_rate: float = option(1e-3, "Adam's step size of D", above=0)

    def validate(self) -> None:
        if self.frozen is not None and self.demos is not None:
            raise ValueError(f"frozen={self.frozen}: learns nothing, so that demos={self.demos} is for nothing")


class Scheme(BonusScheme):
    """The discriminator learns after the rollout is paid, and after the agent has learned from it."""

    metrics = ("loss/airl_discriminator", "explore/airl_told_apart")
    asks_policy = True
    models_task = True
    stateful = ("judges", "optimiser", "memory")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or some that do not fit the environment, or the other run's reward does not.
        """
        super().__init__(config, context)
        self.config, spec = config, context.spec
        self._gamma = self.streams[1].gamma
        self._onehot = can_onehot(spec.obs)
        self._low, self._high = (
            torch.tensor(bound).reshape(spec.action.shape or (0,)).to(context.device)
            for bound in (spec.action.low, spec.action.high)
        )
        self.judges = nn.ModuleDict(
            {
                "reward": self._network((config.hidden, 1), action_size(spec.action) if config.actions else 0),
                "potential": self._network((config.hidden, config.hidden, 1), 0),
            }
        ).to(context.device)
        self.optimiser = Adam(self.judges.parameters(), config.learning_rate)
        self.memory = Replay(config.memory, context.device)
        self._demonstrated: Replay | None = None
        self._log_prob: LogProb | None = None
        if config.frozen is not None:
            self.asks_policy, self.pays_prediction = False, True
            self._freeze(config.frozen)
        elif config.demos is None:
            raise UserError("reward=airl: needs demonstrations, such as rewardlab demos records: reward.demos=DIR")
        else:
            self._file = config.demonstrations("reward", spec)
            self.assumes |= {"demos"}

    def take_policy(self, log_prob: LogProb) -> None:
        self._log_prob = log_prob

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        found = distinct_of(rollout)
        flat, here = self._flat(found.rows), found.here[:-1]
        reward = self._reward(spread(flat, here) if self.config.actions else flat, rollout.action)
        reward = reward if self.config.actions else spread(reward, here)
        if self.config.frozen is not None:
            return reward
        potential = self.judges["potential"](flat).squeeze(-1)
        return shaped_reward(
            reward, spread(potential, here), spread(potential, found.there), rollout.terminated, self._gamma
        )

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        if config.frozen is not None:
            return {}
        self.memory.add(_steps(rollout.obs, rollout.next_obs, rollout.action, rollout.terminated))
        losses, right = [], []
        for _ in range(config.updates):
            shown = self._drawn(config.batch_size)
            played, _ = self.memory.sample(config.batch_size, self.context.numpy_rng)
            logits = self._logits(joined(shown, played))
            loss = told_apart(*logits.chunk(2))
            is_shown = torch.arange(len(logits), device=logits.device) < config.batch_size
            right.append(((logits > 0) == is_shown).float().mean())
            losses.append(loss.detach())
            self.optimiser.step(self.optimiser.gradient(loss))
        told = dict(zip(self.metrics, (losses, right), strict=True))
        return {name: float(torch.stack(values).mean()) for name, values in told.items()}

    def _logits(self, steps: Transitions) -> torch.Tensor:
        """f - log pi, float32 [B], with a gradient for g and h."""
        assert self._log_prob is not None, "the run hands it over"
        action = self._executed(steps.action)
        flat = self._flat(steps.obs)
        before, after = (self.judges["potential"](each).squeeze(-1) for each in (flat, self._flat(steps.next_obs)))
        f = shaped_reward(self._reward(flat, steps.action), before, after, steps.extra[_DONE], self._gamma)
        return f - self._log_prob(steps.obs, action)

    def _reward(self, flat: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """g, [...]: of flat observations [..., D] and, where it sees them, actions [...] or [..., A]."""
        if self.config.actions:
            flat = torch.cat([flat, encode_action(self._executed(action), self.context.spec.action)], dim=-1)
        reward: torch.Tensor = self.judges["reward"](flat).squeeze(-1)
        return reward

    def _drawn(self, count: int) -> Transitions:
        """Demonstrated steps [count]."""
        if self._demonstrated is None:
            read = self._file.read()
            ends = [torch.arange(len(one)) == len(one) - 1 for one in read.episodes]
            done = torch.cat([end & one.terminated for end, one in zip(ends, read.episodes, strict=True)])
            reached = {name: torch.cat([shown[name][1:] for shown in read.shown]) for name in read.shown[0]}
            steps = read.transitions(self.context.gamma)
            self._demonstrated = Replay(len(done), self.context.device)
            self._demonstrated.add(Transitions(steps.obs, steps.action, {_DONE: done}, reached))
        chosen = torch.randint(len(self._demonstrated), (count,), generator=self.context.generator)
        return self._demonstrated.at(chosen.numpy())

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs, onehot=self._onehot)

    def _executed(self, action: torch.Tensor) -> torch.Tensor:
        taken = self.context.spec.action
        return action if taken.discrete else executed(action, self._low, self._high, taken.whole)

    def _network(self, widths: tuple[int, ...], beside: int) -> nn.Sequential:
        return flat_network(self.context.spec.obs, widths, self.context.generator, onehot=self._onehot, beside=beside)

    def _freeze(self, path: str) -> None:
        where = f"reward.frozen={path}"
        judges = learned_reward("reward.frozen", path).get("judges")
        if not isinstance(judges, dict) or not any(name.startswith("reward.") for name in judges):
            raise UserError(f"{where}: its reward is not airl")
        try:
            self.judges.load_state_dict(judges)
        except RuntimeError:
            raise UserError(
                f"{where}: its g is of other observations or actions, or another reward.hidden or reward.actions"
            ) from None


def _steps(obs: TensorObs, next_obs: TensorObs, action: torch.Tensor, done: torch.Tensor) -> Transitions:
    """The steps of a rollout as a flat batch."""
    flat, reached = ({name: e.flatten(0, 1) for name, e in entries.items()} for entries in (obs, next_obs))
    return Transitions(flat, action.flatten(0, 1), {_DONE: done.flatten()}, reached)
