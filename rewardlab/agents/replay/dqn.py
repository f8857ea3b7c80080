"""Deep Q-learning from replay: double, dueling, n-step, prioritised, noisy, bootstrapped with random priors

Paper: Mnih et al. 2015, Human-level control through deep reinforcement learning

For discrete actions. One value of the weighted sum of all reward streams is learned, with the agent's gamma and cut at
termination: a stream's own discount, and that it runs through the ends of episodes, do not count here.

Exploration, by what is switched on:

- epsilon-greedy, by default: epsilon falls from 1 to 0.05 over the first 0.3 of the budget.
- noisy: noise of a learned size on the weights (Fortunato et al. 2018); epsilon is 0 unless it is set. Noise is drawn
  anew for each step and each environment, and for each sample of a minibatch.
- heads > 1: bootstrapped DQN (Osband et al. 2016), each head a network of its own over the shared encoder, with a
  random prior of weight prior_scale (Osband et al. 2018). One head acts throughout an episode of an environment; each
  step is learned by each head with mask_probability. Epsilon is 0 unless it is set.
- temperature > 0: soft Q-learning (Haarnoja et al. 2017): the value of a state is temperature log sum exp(Q /
  temperature), `double` does not count, and actions are drawn from softmax(Q / temperature), in evaluation too: it is
  the policy that is learned. Epsilon is 0 unless it is set.

Evaluation has none of the others: the greedy action, of the majority of the heads (or of their mean: vote=mean), and a
random one with eval_epsilon, 0 by default. A greedy policy without memory may walk in circles in a grid world;
eval_epsilon breaks them where that is wanted. eval.policy=greedy never draws a random action.

With demonstrations (demos=DIR) a fixed share of each minibatch is theirs. With margin_coef=1 this is DQfD (Hester et
al. 2018, arXiv:1704.03732): on them the demonstrated action is to be worth more than any other by a margin, and the
agent learns from them alone first (demos_pretrain). DQfD's own: a share that priorities decide, a loss on single steps
beside that on n, and weight decay, which are left out.

With optimism > 0 it maximises to explore (Liu et al. 2023, arXiv:2305.18258, there eta): what the best action of each
replayed state is worth is raised by the loss, so that of the values that fit what was seen high ones are chosen.

The loss is squared. The paper's, linear beyond errors of 1 (huber=1), was made for rewards clipped to +-1: where values
are larger, many small steps up outvote the few terminations that say otherwise, and values can grow without bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.reading import check_encoding, encoding_option, network_option, settle_network
from rewardlab.agents.replay.options import ReplayConfig, optimism_option
from rewardlab.errors import Diverged, UserError
from rewardlab.maths.distributions import allowed, sample
from rewardlab.maths.q_learning import huber, large_margin, majority_vote, q_targets, soft_q_targets
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.picture import resolved
from rewardlab.networks.q_network import QNetwork
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.schemas import RootConfig, option
from rewardlab.types import MASK, ActOutput, BuildContext, StreamSpec, TensorMetrics, TensorObs, Transitions

VERSION = 1
_WIDEST = 65536  # a layer
_MOST_HEADS = 1024


@dataclass
class Config(ReplayConfig):
    n_step: int = option(3, "rewards summed up before the value of what follows is trusted", above=0)
    double: bool = option(True, "the online network chooses the action that the target network values")
    dueling: bool = option(False, "a value and advantages of actions apart")
    noisy: bool = option(False, "explore by noise on the weights")
    noisy_sigma: float = option(0.5, "noisy: its size at first", above=0)
    heads: int = option(1, "networks of an ensemble; one acts throughout an episode", above=0, maximum=_MOST_HEADS)
    prior_scale: float = option(0.0, "weight of each head's fixed random prior", minimum=0)
    mask_probability: float = option(1.0, "heads: how likely each learns from a step", above=0, maximum=1)
    vote: str = option("majority", "heads: how they decide in evaluation", choices=("majority", "mean"))
    temperature: float = option(
        0.0, "soft Q-learning: actions by softmax(Q / temperature); 0: the best one", minimum=0, neutral=0.0
    )
    epsilon_start: float | None = option(
        None, "share of random actions at first; null: 1, and 0 with noisy, heads or temperature", minimum=0, maximum=1
    )
    epsilon_end: float | None = option(
        None, "share after that; null: 0.05, and 0 with noisy, heads or temperature", minimum=0, maximum=1
    )
    epsilon_decay: float = option(0.3, "share of the budget over which one goes linearly to the other", minimum=0)
    eval_epsilon: float = option(0.0, "share of random actions in evaluation, eval.policy=sample", minimum=0, maximum=1)
    learning_rate: float = option(5e-4, "Adam's step size", above=0)
    adam_eps: float = option(1e-8, "Adam's epsilon", above=0)
    target_every: int = option(100, "gradient steps between moves of the target network", above=0)
    target_rate: float = option(
        1.0, "how far it moves; 1: a copy. 0.005 with target_every=1: Polyak averaging", above=0, maximum=1
    )
    huber: float | None = option(None, "errors beyond this count linearly, 1 in the paper; null: all squared", above=0)
    margin: float = option(0.8, "demos: by how much the demonstrated action is to be worth more", above=0, neutral=0.8)
    margin_coef: float = option(0.0, "demos: weight of that in the loss; DQfD: 1", minimum=0, neutral=0.0)
    optimism: float = optimism_option()
    max_grad_norm: float = option(10.0, "longer gradients are cut to this norm", above=0)
    network: str = network_option()
    encoding: str = encoding_option()
    normalise_observation: bool = option(False, "floats by the running mean and std of what was played", neutral=False)
    hidden: list[int] = option([128, 128], "widths of the layers")

    def validate(self) -> None:
        super().validate()
        if not all(1 <= width <= _WIDEST for width in self.hidden):
            raise ValueError(f"hidden={list(self.hidden)}: widths must be from 1 to {_WIDEST}")
        check_encoding(self)
        if self.dueling and not self.hidden:
            raise ValueError("hidden=[]: dueling needs a layer at least")
        if self.margin_coef > 0 and self.demos is None:
            raise ValueError(f"margin_coef={self.margin_coef:g}: only with demos=DIR")
        if self.temperature > 0 and self.heads > 1:
            raise ValueError(f"temperature={self.temperature:g}: of one head; set heads=1")
        if self.mask_probability < 1 and self.heads == 1:
            raise ValueError(f"mask_probability={self.mask_probability}: only with heads > 1")

    def settle(self, setting: RootConfig) -> None:
        settle_network(self, setting)


class Agent(BaseAgent):
    """See `update_batch` for one gradient step, read from top to bottom."""

    learns_from = "replay"
    obeys_masks = True
    stateful = ("network", "target", "optimiser")
    acts_by = "network"
    metrics: tuple[str, ...] = ("loss/td", "loss/q_mean", "loss/grad_norm")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the actions are not discrete.
        """
        action = context.spec.action
        if action.n is None:
            raise UserError(f"agent=dqn: needs discrete actions, which {context.spec.id} has not; use agent=sac")
        self.config = config
        self.rollout_steps = config.rollout_steps
        self.progress = 0.0
        self.assumes = config.assumes()
        self.stochastic = config.temperature > 0 or config.eval_epsilon > 0
        if config.margin_coef > 0:
            self.metrics = (*Agent.metrics, "loss/margin")
        self._actions, self._generator, self._device = action.n, context.generator, context.device
        self.network = QNetwork(
            context.spec.obs,
            action.n,
            context.generator,
            network=resolved(config.network, config.encoding, context.spec.obs),
            encoding=config.encoding,
            hidden=config.hidden,
            members=config.heads,
            dueling=config.dueling,
            noisy=config.noisy_sigma if config.noisy else None,
            prior_scale=config.prior_scale,
            standardise=config.normalise_observation,
        ).to(context.device)
        learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimiser = Adam(learned, config.learning_rate, config.adam_eps)
        self.target = EmaTarget(self.network, 1.0 - config.target_rate)

    def initial_state(self, num_envs: int) -> torch.Tensor | None:
        """The head that acts in each environment, int64 [N]; drawn at the first step of an episode."""
        if self.config.heads == 1:
            return None
        return torch.zeros(num_envs, dtype=torch.int64, device=self._device)

    @torch.no_grad()
    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        explores = mode == "explore"
        noise = rng if explores and self.config.noisy else None
        values = _of_allowed(self.network(self.network.prepare(obs), noise), obs)
        if self.config.temperature > 0 and mode != "greedy":
            action = sample({"logits": values[0] / self.config.temperature}, rng)
        elif state is None:
            action = values[0].argmax(dim=-1)
        elif explores:
            drawn = torch.randint(self.config.heads, first.shape, generator=rng, device=rng.device)
            state = torch.where(first, drawn.to(state.device), state)
            action = values[state, torch.arange(len(state), device=state.device)].argmax(dim=-1)
        else:
            action = majority_vote(values) if self.config.vote == "majority" else values.mean(dim=0).argmax(dim=-1)
        epsilon = self._epsilon() if explores else self.config.eval_epsilon if mode == "sample" else 0.0
        if epsilon > 0:
            random = self._drawn(obs, first.shape, rng).to(action.device)
            chance = torch.rand(first.shape, generator=rng, device=rng.device).to(action.device)
            action = torch.where(chance < epsilon, random, action)
        return ActOutput(action, state)

    def observe(self, obs: TensorObs) -> None:
        if self.network.standardised is not None:
            self.network.standardised.add(obs)

    def columns(self, count: int) -> dict[str, torch.Tensor]:
        """Which heads learn from each step: bool [count, heads], where not all do."""
        if self.config.mask_probability == 1:
            return {}
        chance = torch.rand(count, self.config.heads, generator=self._generator)
        return {"mask": (chance < self.config.mask_probability).to(self._device)}

    def update_batch(self, batch: Transitions) -> tuple[TensorMetrics, torch.Tensor]:
        config, network = self.config, self.network
        noise = self._generator if config.noisy else None
        with torch.no_grad():
            following = network.prepare(batch.next_obs)
            prior = network.prior_values(following)
            then = _of_allowed(self.target.average(following, noise, prior), batch.next_obs)
            reward, discount = batch.extra["reward"], batch.extra["discount"]
            if config.temperature > 0:
                targets = soft_q_targets(reward, discount, then, config.temperature)
            else:
                choosing = _of_allowed(network(following, noise, prior), batch.next_obs) if config.double else then
                targets = q_targets(reward, discount, then, choosing)
        index = batch.action.expand(config.heads, -1).unsqueeze(-1)
        values = network(network.prepare(batch.obs), noise)
        chosen = values.gather(-1, index).squeeze(-1)
        error = chosen - targets
        each = huber(error, config.huber)  # [heads, B]
        if "mask" in batch.extra:
            each = each * batch.extra["mask"].t()
        if "weight" in batch.extra:
            each = each * batch.extra["weight"]
        loss = each.mean()
        found = {"loss/td": loss.detach(), "loss/q_mean": chosen.detach().mean()}
        if config.margin_coef > 0:
            short = large_margin(_of_allowed(values, batch.obs), index, config.margin) * batch.extra["demonstrated"]
            found["loss/margin"] = short.detach().mean()
            loss = loss + config.margin_coef * short.mean()
        if config.optimism > 0:
            loss = loss - config.optimism * _of_allowed(values, batch.obs).amax(dim=-1).mean()
        gradient = self.optimiser.gradient(loss)
        grad_norm = clip_norm(gradient, config.max_grad_norm)
        if not math.isfinite(float(loss.detach() + grad_norm)):
            raise Diverged(f"gradient step {self._updates}: loss {float(loss):g}, gradient's norm {float(grad_norm):g}")
        self.optimiser.step(gradient)
        self._updates += 1
        if self._updates % config.target_every == 0:
            self.target.follow(network)
        return found | {"loss/grad_norm": grad_norm}, error.detach().abs().mean(dim=0)

    def _drawn(self, obs: TensorObs, shape: torch.Size, rng: torch.Generator) -> torch.Tensor:
        """Random actions of those that are allowed."""
        if MASK in obs:
            even = torch.zeros(*shape, self._actions, device=obs[MASK].device)
            return sample({"logits": allowed(even, obs[MASK])}, rng)
        return torch.randint(self._actions, shape, generator=rng, device=rng.device)

    def _epsilon(self) -> float:
        """The share of random actions at this time of training."""
        config = self.config
        plain = not config.noisy and config.heads == 1 and config.temperature == 0
        start = (1.0 if plain else 0.0) if config.epsilon_start is None else config.epsilon_start
        end = (0.05 if plain else 0.0) if config.epsilon_end is None else config.epsilon_end
        done = min(1.0, self.progress / config.epsilon_decay) if config.epsilon_decay else 1.0
        return start + (end - start) * done


def _of_allowed(values: torch.Tensor, obs: TensorObs) -> torch.Tensor:
    """Values [..., B, A], minus infinity where an action is not allowed: nobody prefers it."""
    return values.masked_fill(obs[MASK] == 0, -math.inf) if MASK in obs else values
