"""BARFI: learns how to blend the task's reward with an auxiliary one, so that what is learned from it serves the task.

Paper: Gupta et al. 2023, Behavior alignment via reward function optimization (arXiv:2310.19007; abstract only)
Assumes: privileged where the auxiliary reward reads facts of the full state

A step is paid, in place of the task's reward (task_coef is 0 by default),

    r = phi_1(s, a) + phi_2(s) r_task + phi_3(s) r_aux,    phi = (0, 1, 1) at first.

Inside, a policy theta of the scheme's own learns from r; outside, phi learns how that policy would earn more of the
task's reward: by the implicit gradient at the inner optimum (`maths/bilevel.py`), which needs a penalty on theta
(`l2`). Both are learned off-policy from the agent's steps: the mean of pi_theta(a|s) / mu(a|s) (G - mean G), G the
discounted sum of r inside and of r_task outside, to the end of the episode or of the rollout, divided by its spread.
Ratios are cut at 10.

phi_1 is paid less its mean under the policy that acts: a constant, which the inner policy does not feel, would pay the
agent for living on.

Otherwise than the paper: theta is a small network of the scheme, not the agent, which is paid r and learns as it does.
The discount is not learned: a stream's is declared before training. The rollout is the buffer. Where the task pays
nothing, phi stays as it is.

r_aux is an expression over what a step reaches: the observation's `vector`, and facts of the full state, as in
`-abs(vector[0])` or `agent_pos[0] < 3`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.maths.bilevel import implicit_gradient
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.expression import Expression
from rewardlab.maths.returns import returns_to_ends
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, number
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 1
_WHAT = "reward.aux"
_LARGEST_RATIO = 10.0


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    aux: str | None = option(None, "r_aux: an expression over vector, distance, agent_pos of what is reached")
    hidden: int = option(32, "width of the layer of theta, and of phi", above=0)
    l2: float = option(0.1, "penalty on theta: half of it times the sum of squares", above=0)
    inner_steps: int = option(8, "steps of theta before one of phi; it goes on from where it was", above=0)
    inner_learning_rate: float = option(0.01, "Adam's step size of theta", above=0)
    every: int = option(4, "rollouts of which the last is learned from: a round of theta, and one step of phi", above=0)
    learning_rate: float = option(0.3, "step size of phi, of plain gradient steps; 0: r_task + r_aux", minimum=0)
    terms: int = option(8, "of the series for the inverse Hessian", minimum=0, maximum=1000)
    rate: float = option(0.1, "its rate: below 2 divided by the largest curvature", above=0)

    def privileged(self) -> tuple[str, ...]:
        if self.aux is None:
            return ()
        return tuple(name for name in Expression(self.aux).names if name not in OBSERVED)

    def validate(self) -> None:
        if self.aux is None:
            return
        try:
            names = Expression(self.aux).names
        except ValueError as error:
            raise ValueError(f"aux={self.aux}: {error}") from None
        if not names:
            raise ValueError(
                f"aux={self.aux}: is the same in every state; name a fact, as in -distance, or leave it out"
            )


class Scheme(BonusScheme):
    """phi is one network with A + 2 outputs for each state, whose last layer is 0 at first."""

    metrics = ("loss/barfi_inner", "reward/barfi_task_share", "reward/barfi_aux_share")
    reads_policy = True
    stateful = ("policy", "policy_optimiser", "shares", "waited")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: actions are not discrete, or the auxiliary reward is no number.
        """
        self._aux = None if config.aux is None else Expression(config.aux)
        self.reads = () if self._aux is None else tuple(name for name in self._aux.names if name in OBSERVED)
        self.pays_prediction = self._aux is None
        super().__init__(config, context)
        spec = context.spec
        if spec.action.n is None:
            raise UserError(f"reward=barfi: needs discrete actions, and those of {spec.id} are a box")
        if self._aux is not None:
            check_on_zeros(self._aux, spec, _WHAT)
        self.config = config
        self._onehot, actions = can_onehot(spec.obs), spec.action.n
        self.policy, self.shares = (
            flat_network(
                spec.obs,
                (config.hidden, outputs),
                context.generator,
                onehot=self._onehot,
                activation="elu",
                last_gain=last_gain,
            ).to(context.device)
            for outputs, last_gain in ((actions, 0.01), (actions + 2, 0.0))
        )
        self.policy_optimiser = Adam(self.policy.parameters(), config.inner_learning_rate)
        self.waited = _Waited()
        self._told: tuple[float, ...] = (1.0, 1.0)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        shares = self._shares(rollout, self._flat(rollout))
        self._told = float(shares[..., -2].mean()), float(shares[..., -1].mean())
        return self._paid(rollout, shares)

    def update(self, rollout: Rollout) -> Metrics:
        config, gamma = self.config, self.context.gamma
        told = dict(zip(self.metrics[1:], self._told, strict=True))
        self.waited.rollouts += 1
        if self.waited.rollouts < config.every:
            return told
        self.waited.rollouts = 0
        flat = self._flat(rollout)
        paid = self._paid(rollout, self._shares(rollout, flat))
        blended = _centred(returns_to_ends(paid, rollout.done, gamma))
        wanted = _centred(returns_to_ends(rollout.task_reward, rollout.done, gamma))
        for _ in range(config.inner_steps):
            self.policy_optimiser.descend(-self._inner(self._ratios(rollout, flat), blended.detach()))
        ratios = self._ratios(rollout, flat)
        inner, outer = self._inner(ratios, blended), (ratios * wanted).mean()
        inside, outside = list(self.policy.parameters()), list(self.shares.parameters())
        gradient = implicit_gradient(inner, outer, inside, outside, rate=config.rate, terms=config.terms)
        with torch.no_grad():
            for weight, part in zip(outside, torch.split(gradient, [each.numel() for each in outside]), strict=True):
                weight.add_(part.view_as(weight), alpha=config.learning_rate)
        return {self.metrics[0]: float(inner.detach())} | told

    def _flat(self, rollout: Rollout) -> torch.Tensor:
        """The distinct observations, [U, D]."""
        return encode_flat(distinct_of(rollout).rows, self.context.spec.obs, onehot=self._onehot)

    def _shares(self, rollout: Rollout, flat: torch.Tensor) -> torch.Tensor:
        """phi of the states that were acted on, [T, N, A + 2]: the last two are phi_2 and phi_3."""
        found = self.shares(flat)
        at_first = torch.zeros(found.shape[-1], device=found.device)
        at_first[-2:] = 1.0
        return spread(found + at_first, distinct_of(rollout).here[:-1])

    def _paid(self, rollout: Rollout, shares: torch.Tensor) -> torch.Tensor:
        """r, [T, N]."""
        of_actions = shares[..., :-2]
        chosen = of_actions.gather(-1, rollout.action.unsqueeze(-1)).squeeze(-1)
        chosen = chosen - (rollout.dist["logits"].softmax(dim=-1) * of_actions).sum(dim=-1)
        paid = chosen + shares[..., -2] * rollout.task_reward
        if self._aux is None:
            return paid
        reached = {**rollout.next_obs, **rollout.privileged}
        aux = number(self._aux, reached, tuple(rollout.task_reward.shape), _WHAT, self.context.spec)
        return paid + shares[..., -1] * aux

    def _inner(self, ratios: torch.Tensor, returns: torch.Tensor) -> torch.Tensor:
        """What theta is to maximise: a scalar."""
        squares = torch.stack([weight.square().sum() for weight in self.policy.parameters()]).sum()
        return (ratios * returns).mean() - 0.5 * self.config.l2 * squares

    def _ratios(self, rollout: Rollout, flat: torch.Tensor) -> torch.Tensor:
        """pi_theta(a|s) / mu(a|s), [T, N]."""
        log_probs = self.policy(flat).log_softmax(dim=-1)
        place = distinct_of(rollout).here[:-1] * log_probs.shape[-1] + rollout.action
        found = log_probs.flatten().index_select(0, place.flatten()).view_as(rollout.log_prob)
        ratios: torch.Tensor = (found - rollout.log_prob).clamp(max=math.log(_LARGEST_RATIO)).exp()
        return ratios


class _Waited:
    """Rollouts since phi last learned."""

    def __init__(self) -> None:
        self.rollouts = 0

    def state_dict(self) -> dict[str, int]:
        return {"rollouts": self.rollouts}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.rollouts = state["rollouts"]


def _centred(returns: torch.Tensor) -> torch.Tensor:
    """Less their mean, divided by their spread (a constant to gradients); all 0 where they are all alike."""
    spread = returns.detach().std(unbiased=False)
    return (returns - returns.mean()) / torch.where(spread > 1e-6, spread, torch.ones_like(spread))
