"""Conservative Q-learning: values that are pushed down where a data set did nothing, and up where it did

Paper: Kumar et al. 2020, Conservative Q-learning for offline reinforcement learning

Beside the error of the values stands `conservative` times the gap log sum_a exp Q(s, a) - Q(s, a of the data).

Discrete actions: one network with double Q-learning's targets, half the squared error, and the sum over all actions.
What it converges to where the data do every action is Q(a) = r(a) - conservative (softmax Q(a) / beta(a) - 1), beta the
shares of the data: the less an action was done, the less it is trusted. Where conservative is small beside the gap's
temperature 1, softmax Q stays nearly uniform, each step raises what was done most by up to conservative, and the best
of what follows adds that up over 1 / (1 - gamma) steps: values then rise far beyond what any return can be.

With temperature > 0 one policy, softmax(Q / temperature), stands in all three places: the gap is temperature log sum
exp(Q / temperature) - Q, what follows counts as that policy does, and evaluation draws from it. Its values are then
below its true ones, as the paper's theorem 3.2 has it, because the mean of softmax / beta under softmax is at least 1.
The policy is what was done, reweighed by 1 + advantage / conservative.

Boxes: twins, and soft actor-critic's policy. The sum becomes an integral by importance sampling: `samples` uniform
actions, as many of the policy at s, and as many at s', all valued at s and none of them learned through. No entropy is
in the targets. The policy learns ten times slower than the critics. Constants are CORL's (Tarasov et al. 2023,
arXiv:2210.07105), whose AntMaze takes conservative=5, without its policy's first steps of imitation; there the
log-probability does not depend on what the data did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.critics import Critics
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.agents.offline.squashed_actor import SquashedActor
from rewardlab.errors import UserError
from rewardlab.maths.distributions import sample
from rewardlab.maths.offline import imitation, largest
from rewardlab.maths.q_learning import q_targets
from rewardlab.networks.layers import Inputs
from rewardlab.schemas import option
from rewardlab.types import ActOutput, BuildContext, StreamSpec, TensorMetrics, TensorObs, Transitions

VERSION = 2
_OF_BOXES, _OF_DISCRETE = 10.0, 1.0


@dataclass
class Config(NetworkConfig):
    conservative: float | None = option(
        None, "weight of the gap between what could be done and what was; null: 10 of boxes, 1 of discrete", minimum=0
    )
    temperature: float = option(
        0.0,
        "discrete: of softmax Q in the gap, in what follows, and in evaluation, which draws from it; 0: 1 in the gap,"
        " and else the best action",
        minimum=0,
    )
    samples: int = option(10, "boxes: actions of each of the three kinds", above=0, maximum=1000)
    policy_rate: float = option(3e-5, "boxes: Adam's step size, of policy and temperature", above=0)
    target_rate: float = option(0.005, "how far the target critics move at each gradient step", above=0, maximum=1)


class Agent(OfflineAgent):
    """See `learn`, and for boxes `_learn_box`, read from top to bottom."""

    metrics: tuple[str, ...] = ("loss/critic", "loss/gap", "loss/q_mean")
    stateful: tuple[str, ...] = ("critics", "target", "of_critics")
    acts_by = "critics"

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: a box lacks bounds, or has a temperature.
        """
        if config.temperature > 0 and not context.spec.action.discrete:
            raise UserError(f"agent.temperature={config.temperature:g}: of discrete actions; leave it out")
        self.config, self._generator = config, context.generator
        self.standardised = config.scale(context)
        self._squashed: SquashedActor | None = None
        if not context.spec.action.discrete:
            self._squashed = actor = SquashedActor(config, context, self.standardised, rate=config.policy_rate)
            self.policy, self.temperature = actor.network, actor.temperature
            self.of_policy, self.of_temperature = actor.learned, actor.warmed
            self.stateful = (*Agent.stateful, "policy", "temperature", "of_policy", "of_temperature")
            self.acts_by = "policy"
            self.metrics = (*Agent.metrics, "loss/policy", "loss/entropy")
        self.stochastic = self._squashed is None and config.temperature > 0
        plain = _OF_DISCRETE if self._squashed is None else _OF_BOXES
        self._weight = plain if config.conservative is None else config.conservative
        box, number = (None, 1) if self._squashed is None else (self._squashed.box, 2)
        self._critics = Critics(config, context, self.standardised, box, config.target_rate, False, number)
        self.critics, self.target, self.of_critics = (
            self._critics.networks, self._critics.target, self._critics.learned
        )  # fmt: skip

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        if self._squashed is not None:
            return self._squashed.act(obs, state, mode, rng)
        values = self._critics.outputs(self._critics.inputs(obs))[0]
        if self.stochastic and mode != "greedy":
            return ActOutput(sample({"logits": values / self.config.temperature}, rng), state)
        return ActOutput(values.argmax(dim=-1), state)

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        critics = self._critics
        inputs, following = critics.inputs(batch.obs), critics.inputs(batch.next_obs)
        reward, discount = batch.extra["reward"], batch.extra["discount"]
        if self._squashed is not None:
            found = self._learn_box(self._squashed, inputs, following, batch)
        else:
            slow, own = critics.slow_outputs(following), critics.outputs(following)
            if self.stochastic:
                shares = (own[0] / self.config.temperature).softmax(dim=-1)
                targets = reward + discount * (shares * slow[0]).sum(dim=-1)
            else:
                targets = q_targets(reward, discount, slow, own)[0]
            found = self._step(inputs, batch.action, targets)
        critics.follow()
        self._updates += 1
        return found

    def _step(self, inputs: Inputs, action: torch.Tensor, targets: torch.Tensor) -> TensorMetrics:
        """Down half the squared error, and the gap: `unit` times the cross-entropy of softmax(Q / unit)."""
        found: TensorMetrics = {}
        unit = self.config.temperature or 1.0

        def slope(outputs: torch.Tensor) -> torch.Tensor:
            gap, of_gap = imitation(outputs / unit, action, torch.ones_like(targets))  # of_gap / unit * unit
            chosen = outputs.gather(-1, action.unsqueeze(-1)).squeeze(-1)
            error = chosen - targets
            found.update(_told(0.5 * error.square(), unit * gap, chosen))
            of_error = self._critics.spread(outputs, action, error)
            return (of_error + self._weight * of_gap) / len(error)

        self._critics.descend(inputs, None, slope)
        return found

    def _learn_box(self, actor: SquashedActor, inputs: Inputs, following: Inputs, batch: Transitions) -> TensorMetrics:
        critics, samples, size = self._critics, self.config.samples, len(batch.action)
        action = actor.box.units(batch.action)
        next_action, _ = actor.draw(following, 1)
        then = critics.slow_of(following, next_action.squeeze(1)).amin(dim=0)
        targets = batch.extra["reward"] + batch.extra["discount"] * then
        kinds = (self._uniform(size, samples, action), actor.draw(following, samples), actor.draw(inputs, samples))
        drawn, density = (torch.cat(parts, dim=1) for parts in zip(*kinds, strict=True))
        policy_loss, entropy = actor.climb(inputs, lambda units: critics.slope_of_least(inputs, units))

        beside = torch.cat([action.unsqueeze(1), drawn], dim=1)  # [B, 1 + 3 * samples, A], the data's first
        each: list[TensorMetrics] = []

        def slope(outputs: torch.Tensor) -> torch.Tensor:
            values = outputs.view(size, -1)
            chosen, error = values[:, 0], values[:, 0] - targets
            most, of_drawn = largest(values[:, 1:], density)
            each.append(_told(error.square(), most - chosen, chosen))
            of_chosen = 2.0 * error - self._weight
            return torch.cat([of_chosen.unsqueeze(1), self._weight * of_drawn], dim=1).div_(size).view(-1, 1)

        critics.descend(_repeated(inputs, beside.shape[1]), beside.flatten(0, 1), slope)
        told = {name: torch.stack([metrics[name] for metrics in each]).mean() for name in each[0]}
        return told | {"loss/policy": policy_loss, "loss/entropy": entropy}

    def _uniform(self, size: int, samples: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions of the whole box, and their log-densities."""
        shape, generator = (size, samples, like.shape[-1]), self._generator
        drawn = torch.empty(shape, device=generator.device).uniform_(-1.0, 1.0, generator=generator).to(like.device)
        return drawn, torch.full(shape[:2], -shape[2] * math.log(2.0), device=like.device)


def _told(error: torch.Tensor, gap: torch.Tensor, chosen: torch.Tensor) -> TensorMetrics:
    return {"loss/critic": error.mean(), "loss/gap": gap.mean(), "loss/q_mean": chosen.mean()}


def _repeated(inputs: Inputs, count: int) -> Inputs:
    """Each row `count` times, one after the other."""
    if isinstance(inputs, torch.Tensor):
        return inputs.repeat_interleave(count, dim=0)
    return {name: entry.repeat_interleave(count, dim=0) for name, entry in inputs.items()}
