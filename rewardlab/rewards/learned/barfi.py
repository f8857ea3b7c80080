"""BARFI: learns how to blend the task's reward with an auxiliary one, so that what is learned from it serves the task.

Paper: Gupta et al. 2023, Behavior alignment via reward function optimization (arXiv:2310.19007; abstract only)
Source: https://github.com/Dhawgupta/gupta2023behavior, the authors' code
Assumes: privileged where the auxiliary reward reads facts of the full state

A step is paid, in place of the task's reward (task_coef is 0 by default),

    r = phi_1(s, a) + r_task + phi_3(s) r_aux,    phi = (0, 1) at first.

Inside, a policy theta of the scheme's own learns from r; outside, phi learns how that policy would earn more of the
task's reward: by the implicit gradient at the inner optimum (`maths/bilevel.py`). Both learn off-policy, from whole
episodes of the latest `memory` steps: the mean of pi_theta(a|s) / mu(a|s) times an advantage, which is the discounted
return to the end of the episode, of r inside and of r_task outside, less its mean and divided by its spread. phi
moves that spread as well: what counts is how rewards weigh against each other, not how large they are. (With the spread
held fixed, more of any reward that goes with living on seems good, because it makes theta surer.) Ratios are cut at 10.
Inside, theta's entropy is paid and its weights are penalised.

As in the authors' code: r_task counts once (phi_2 in the paper); episodes are replayed, theta goes on from where it
was, the outer gradient has a batch of its own, five terms of the series, entropy inside, a penalty that draws phi to
the task's reward alone. Otherwise: theta is a small network of the scheme, there the agent itself; replay there is not
corrected for the policy that acted, and the outer gradient is of the latest three episodes; phi_1 is of states; Adam
stands for RMSprop. The discount is not learned: a stream's is declared before training.

phi_1 is paid less its mean under the policy that acts: a constant, which the inner policy does not feel, would pay the
agent for living on.

r_aux is an expression over what a step reaches: the observation's `vector`, and facts of the full state, as in
`-abs(vector[0])` or `agent_pos[0] < 3`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from rewardlab.errors import UserError
from rewardlab.maths.bilevel import implicit_gradient
from rewardlab.maths.distinct import distinct_of, spread, tell_apart
from rewardlab.maths.expression import Expression
from rewardlab.maths.returns import returns_to_ends
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.whole_episodes import WholeEpisodes
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, number
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Episode, Metrics, Rollout, State, TensorObs

VERSION = 2
_WHAT = "reward.aux"
_LARGEST_RATIO = 10.0
_TASK, _AUX, _LOG_PROB = "task_reward", "r_aux", "log_prob"  # columns beside an episode's observations


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    aux: str | None = option(None, "r_aux: an expression over vector, distance, agent_pos of what is reached")
    phi_1: bool = option(True, "whether phi_1 is learned; false: it stays 0, and the blend alone is learned")
    hidden: int = option(32, "width of the layer of theta, and of phi", above=0)
    memory: int = option(100_000, "the latest steps of whole episodes, which are learned from", above=0)
    batch_size: int = option(1024, "steps that are learned from at once, about: whole episodes", above=0)
    every: int = option(4, "rollouts before a round: steps of theta, then one of phi", above=0)
    inner_steps: int = option(4, "steps of theta in a round; it goes on from where it was", above=0)
    inner_learning_rate: float = option(0.01, "Adam's step size of theta", above=0)
    entropy: float = option(0.1, "weight of theta's entropy inside", minimum=0)
    l2: float = option(0.001, "penalty on theta: half of it times the sum of squares", minimum=0)
    learning_rate: float = option(0.003, "Adam's step size of phi; 0: r_task + r_aux", minimum=0)
    decay: float = option(0.003, "share by which a round draws phi to the task's reward alone", minimum=0, maximum=1)
    terms: int = option(5, "of the series for the inverse Hessian", minimum=0, maximum=1000)
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
    """phi is one network with A + 1 outputs for each state: phi_1 of each action, 0 at first, and phi_3, 1 at first."""

    metrics = ("loss/barfi_inner", "reward/barfi_aux_share")
    models_task = True
    reads_policy = True
    whole_episodes = True
    stateful = ("policy", "policy_optimiser", "shares", "shares_optimiser", "episodes", "memory")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: actions are not discrete, the auxiliary reward is no number, or the memory is too small for an
            episode.
        """
        self._aux = None if config.aux is None else Expression(config.aux)
        self.reads = () if self._aux is None else tuple(name for name in self._aux.names if name in OBSERVED)
        self.pays_prediction = self._aux is None
        super().__init__(config, context)
        spec = context.spec
        if spec.action.n is None:
            raise UserError(f"reward=barfi: needs discrete actions, and those of {spec.id} are a box")
        if spec.max_steps is not None and spec.max_steps > config.memory:
            raise UserError(
                f"reward.memory={config.memory}: an episode of {spec.id} may have {spec.max_steps} steps; raise it"
            )
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
            for outputs, last_gain in ((actions, 0.01), (actions + 1, 0.0))
        )
        with torch.no_grad():
            list(self.shares.parameters())[-1][-1] = 1.0
        self.policy_optimiser = Adam(self.policy.parameters(), config.inner_learning_rate)
        self.shares_optimiser = Adam(self.shares.parameters(), config.learning_rate)
        self.episodes = EpisodeAssembler(context.num_envs)
        self.memory = WholeEpisodes(config.memory, context.device)
        self._ended: list[Episode] = []
        self._told = 1.0
        self._waited = 0  # rollouts since phi last learned

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        distinct = distinct_of(rollout)
        shares = spread(self._shares(self._flat(distinct.rows)), distinct.here[:-1])
        self._told = float(shares[..., -1].detach().mean())
        aux = self._auxiliary(rollout)
        columns = {_TASK: rollout.task_reward, _AUX: aux, _LOG_PROB: rollout.log_prob}
        self._ended = self.episodes.add(replace(rollout, obs=rollout.obs | columns, next_obs={}))
        paid = _blended(shares, rollout.action, rollout.task_reward, aux)
        mean = (rollout.dist["logits"].softmax(dim=-1) * shares[..., :-1]).sum(dim=-1)
        return paid - mean

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        told = {self.metrics[1]: self._told}
        self.memory.add(self._ended)
        self._ended = []
        self._waited += 1
        if self._waited < config.every or not len(self.memory) or config.learning_rate == 0:
            return told
        self._waited = 0
        for _ in range(config.inner_steps):
            self.policy_optimiser.descend(-self._inner(self._draw()))
        inner = self._inner(self._draw(), follow=True)
        batch = self._draw()
        _, ratios = self._chances(batch)
        outer = (ratios * self._advantages(batch, batch.task_reward)).mean()
        inside, outside = list(self.policy.parameters()), list(self.shares.parameters())
        gradient = implicit_gradient(inner, outer, inside, outside, rate=config.rate, terms=config.terms)
        self.shares_optimiser.step(-gradient)
        with torch.no_grad():
            for weight in outside[-2:]:
                weight.mul_(1.0 - config.decay)
        return {self.metrics[0]: float(inner.detach())} | told

    def state_dict(self) -> State:
        return super().state_dict() | {"waited": self._waited}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._waited = state["waited"]

    def _draw(self) -> _Batch:
        drawn = self.memory.all_steps(self.config.batch_size, self.context.numpy_rng)
        obs = dict(drawn.steps.obs)
        task, aux, log_prob = (obs.pop(name) for name in (_TASK, _AUX, _LOG_PROB))
        rows, place = tell_apart(obs)
        return _Batch(self._flat(rows), place, drawn.steps.action, log_prob, task, aux, drawn.counts)

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs, onehot=self._onehot)

    def _shares(self, flat: torch.Tensor) -> torch.Tensor:
        """phi of states, [U, D] -> [U, A + 1]: phi_3 comes last."""
        found: torch.Tensor = self.shares(flat)
        return found if self.config.phi_1 else torch.cat([0.0 * found[:, :-1], found[:, -1:]], dim=1)

    def _auxiliary(self, rollout: Rollout) -> torch.Tensor:
        """r_aux, [T, N]."""
        if self._aux is None:
            return torch.zeros_like(rollout.task_reward)
        reached = {**rollout.next_obs, **rollout.privileged}
        return number(self._aux, reached, tuple(rollout.task_reward.shape), _WHAT, self.context.spec)

    def _inner(self, batch: _Batch, follow: bool = False) -> torch.Tensor:
        """What theta is to maximise: a scalar, which phi has a part in where it is to be followed."""
        with torch.set_grad_enabled(follow):
            shares = spread(self._shares(batch.flat), batch.place)
            paid = _blended(shares, batch.action, batch.task_reward, batch.aux)
            advantages = self._advantages(batch, paid)
        log_probs, ratios = self._chances(batch)
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1).mean()
        squares = torch.stack([weight.square().sum() for weight in self.policy.parameters()]).sum()
        return (ratios * advantages).mean() + self.config.entropy * entropy - 0.5 * self.config.l2 * squares

    def _advantages(self, batch: _Batch, reward: torch.Tensor) -> torch.Tensor:
        """[B], to scale: less their mean, divided by their spread; all 0 where they are all alike."""
        done = torch.zeros(len(reward), dtype=torch.bool, device=reward.device)
        done[batch.counts.cumsum(0) - 1] = True
        returns = returns_to_ends(reward, self.context.gamma, done)
        centred = returns - returns.mean()
        size = centred.square().mean()
        return centred / size.sqrt() if float(size.detach()) > 1e-12 else 0.0 * centred

    def _chances(self, batch: _Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """log pi_theta of the distinct states, [U, A], and pi_theta(a|s) / mu(a|s), [B]."""
        log_probs = self.policy(batch.flat).log_softmax(dim=-1)
        found = log_probs.flatten().index_select(0, batch.place * log_probs.shape[-1] + batch.action)
        ratios: torch.Tensor = (found - batch.log_prob).clamp(max=math.log(_LARGEST_RATIO)).exp()
        return log_probs, ratios


@dataclass(frozen=True)
class _Batch:
    """Whole episodes, one after another.

    flat: float32 [U, D], the distinct observations. place: int64 [B], which of them each step acted on.
    action: int64 [B]. log_prob, task_reward, aux: float32 [B]. counts: int64 [M], the steps of each episode.
    """

    flat: torch.Tensor
    place: torch.Tensor
    action: torch.Tensor
    log_prob: torch.Tensor
    task_reward: torch.Tensor
    aux: torch.Tensor
    counts: torch.Tensor


def _blended(shares: torch.Tensor, action: torch.Tensor, task: torch.Tensor, aux: torch.Tensor) -> torch.Tensor:
    """phi_1(s, a) + r_task + phi_3(s) r_aux, [...], of shares [..., A + 1]."""
    chosen = shares.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    found: torch.Tensor = chosen + task + shares[..., -1] * aux
    return found
