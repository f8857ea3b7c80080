"""Planners that explore tables: PSRL, UCBVI, RLSVI, R-max, MEX, reward-free: exact yardsticks for deep learners

Papers: Osband, Russo and Van Roy 2013 (PSRL); Azar, Osband and Munos 2017 (UCBVI); Osband, Van Roy and Wen 2016
(RLSVI); Brafman and Tennenholtz 2002 (R-max); Liu et al. 2023 (MEX, arXiv:2305.18258); Zhang, Zhang and Gu 2023
(reward-free, arXiv:2303.10165)

For environments that show the number of a state (`cell`), with discrete actions and episodes of at most H steps:
env=tabular, env=deepsea. The agent counts where actions lead and what they pay, the weighted sum of all streams, and
makes a plan for every step of an episode, which it follows to the letter, in evaluations too (reward_free has another
one for them). It plans after each rollout: with `num_envs=1` after each episode, as the papers do; with more, plans lag
behind.

| agent.rule | plan |
|---|---|
| rmax | pairs that were tried fewer than `agent.m` times are worth all that the steps left can pay |
| ucbvi | a bonus of c / sqrt(n) + V_max / n; never tried: V_max |
| psrl | best in a table drawn from the posterior, Dirichlet(`agent.alpha`) and N(0, 1) |
| rlsvi | best where every reward is off by N(0, c^2 / n) at every step |
| mex | a local maximum of return + sum d^2 / (4 eta n), d where the plan comes |
| reward_free | in training best for `agent.pseudo` instead of what is paid; in evaluations best by what was seen |
| epsilon | best by what was seen, nothing else; with probability `agent.epsilon` any action, in training |

V_max is `agent.r_max` for each step that is left. The pseudo-rewards of reward_free:

| agent.pseudo | where a pair was tried n times; never tried: 1 for each step that is left |
|---|---|
| one_over_n | 1 / (n + 1) |
| value_targeted | min(1, beta norm(V)), V of the plan at any step: how little is known of V where the pair leads |

Of the paper's method for linear mixtures, tables are the case where a feature is a pair and its successor. Plans are
made with the counted shares. Not built: its weights by variance and by higher moments, which make it horizon-free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.maths import distributions
from rewardlab.maths import tabular_exploration as exploration
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import (
    ActOutput,
    Array,
    Assessment,
    BuildContext,
    Metrics,
    Rollout,
    Signals,
    State,
    StreamSpec,
    TensorObs,
)

VERSION = 1
RULES = ("rmax", "ucbvi", "psrl", "rlsvi", "mex", "reward_free", "epsilon")
_OWN = {"m": "rmax", "c": "ucbvi or rlsvi", "alpha": "psrl", "eta": "mex", "epsilon": "epsilon"}
_OWN |= {"pseudo": "reward_free", "beta": "reward_free"}
_MOST = 20_000_000  # numbers of a table
_SURE = 100.0  # the logit of what the plan says


@dataclass
class Config(AgentConfig):
    rule: str = option("psrl", "how it explores", choices=RULES)
    rollout_steps: int | None = option(None, "steps of each environment between plans; null: an episode's", above=0)
    r_max: float = option(1.0, "the most that a step pays", above=0)
    m: int = option(1, "of rule=rmax: after so many tries a pair is known", above=0)
    c: float = option(1.0, "of rule=ucbvi and rlsvi: width of the bonus, of the noise", minimum=0)
    alpha: float = option(
        1.0, "of rule=psrl: prior count of each successor; 1 is much where there are many states", above=0
    )
    eta: float = option(1.0, "of rule=mex: weight of what was seen; the less, the more it explores", above=0)
    epsilon: float = option(0.1, "of rule=epsilon: share of random actions in training", minimum=0, maximum=1)

    pseudo: str = option(
        "one_over_n", "of rule=reward_free: what it explores for", choices=("one_over_n", "value_targeted"),
        neutral="one_over_n",
    )  # fmt: skip
    beta: float = option(0.1, "of pseudo=value_targeted: width of what is unknown", above=0, neutral=0.1)

    def validate(self) -> None:
        if self.beta != 0.1 and self.pseudo != "value_targeted":
            raise ValueError(f"beta={self.beta}: only pseudo=value_targeted has it")
        for name, rule in _OWN.items():
            default = type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default and self.rule not in rule:
                raise ValueError(f"{name}={getattr(self, name)}: only rule={rule} has it")


class Agent(BaseAgent):
    learns_from = "on_policy"
    metrics = ("explore/pairs",)
    stateful = ("counts", "plan")
    acts_by = "plan"

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the environment shows no cell, has no limit of steps or begins anew before, or is too large.
        """
        spec = context.spec
        cell, actions, horizon = spec.obs.get("cell"), spec.action.n, spec.max_steps
        if cell is None or actions is None or horizon is None:
            raise UserError(
                f"agent=tabular: needs a table of states (cell) and a limit of steps, which {spec.id} has not; use"
                " env=tabular or env=deepsea"
            )
        if spec.limits_vary:
            raise UserError(f"agent=tabular: {spec.id} begins anew within an episode; leave out env.repeats")
        states = cell.high + 1
        if states * actions * max(states, horizon) > _MOST:
            raise UserError(
                f"agent=tabular: {states} states, {actions} actions and {horizon} steps are too many for it"
            )
        self.config, self._streams, self._rng, self._device = config, streams, context.numpy_rng, context.device
        self._targets = config.pseudo == "value_targeted"
        if self._targets and states**3 * actions > _MOST:
            raise UserError(f"agent.pseudo=value_targeted: {states} states are too many for it; use one_over_n")
        self._horizon, self._actions = horizon, actions
        self.rollout_steps = config.rollout_steps or horizon
        self._most = config.r_max * (horizon - np.arange(horizon, dtype=np.float64))
        self.counts = _Arrays(
            tried=np.zeros((states, actions)),
            paid=np.zeros((states, actions)),
            led=np.zeros((states, actions, states)),
            begun=np.zeros(states),
        )
        self.plan = _Arrays(worth=np.zeros((horizon, states, actions)))
        if config.rule == "reward_free":
            self.plan["paid"] = np.zeros((horizon, states, actions))
        if self._targets:
            self.plan["unknown"] = np.broadcast_to(np.eye(states), (states, actions, states, states)).copy()
        self._evaluated = "paid" if config.rule == "reward_free" else "worth"
        self._make_plan()

    def initial_state(self, num_envs: int) -> torch.Tensor:
        """Steps taken in the episode, before the next one, [N, 1]."""
        return torch.zeros(num_envs, 1, device=self._device)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        assert state is not None
        step = torch.where(first, torch.zeros_like(state[:, 0]), state[:, 0])
        place = step.long().clamp(max=self._horizon - 1).cpu().numpy()
        plan = self.plan["worth" if mode == "explore" else self._evaluated]
        chosen = torch.from_numpy(plan[place, obs["cell"][:, 0].cpu().numpy()].argmax(axis=1))
        if self.config.rule == "epsilon" and mode == "explore":
            strays = torch.rand(len(chosen), generator=rng, device=rng.device).cpu() < self.config.epsilon
            drawn = torch.randint(self._actions, chosen.shape, generator=rng, device=rng.device).cpu()
            chosen = torch.where(strays, drawn, chosen)
        return ActOutput(chosen.to(self._device), (step + 1)[:, None])

    def assess(self, rollout: Rollout) -> Assessment:
        """As if it had been sure of what it did."""
        logits = _SURE * torch.nn.functional.one_hot(rollout.action, self._actions).float()
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, len(self._streams), device=self._device)
        return Assessment(distributions.log_prob({"logits": logits}, rollout.action), {"logits": logits}, values)

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        return torch.zeros(len(obs["cell"]), len(self._streams), device=self._device)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """Count what happened, then plan anew."""
        paid = sum(spec.weight(progress) * signals.streams[spec.name] for spec in self._streams)
        for extra in (signals.advantage_bonus, signals.value_target_bonus):
            paid = paid if extra is None else paid + extra
        reward = torch.as_tensor(paid).double().cpu().numpy()
        here, there = rollout.obs["cell"][..., 0].cpu().numpy(), rollout.next_obs["cell"][..., 0].cpu().numpy()
        action, first, ended = (each.cpu().numpy() for each in (rollout.action, rollout.first, rollout.terminated))
        assert rollout.agent_state0 is not None
        step, counts = rollout.agent_state0[:, 0].cpu().numpy().astype(np.int64), self.counts
        for t in range(rollout.steps):
            step = np.where(first[t], 0, step)
            goes_on = ~ended[t] | (step >= self._horizon - 1)  # what comes after the last step is nobody's loss
            np.add.at(counts["tried"], (here[t], action[t]), 1.0)
            np.add.at(counts["paid"], (here[t], action[t]), reward[t])
            np.add.at(counts["led"], (here[t][goes_on], action[t][goes_on], there[t][goes_on]), 1.0)
            np.add.at(counts["begun"], here[t][first[t]], 1.0)
            if self._targets:
                for i in np.flatnonzero(step < self._horizon - 1).tolist():
                    exploration.took(self.plan["unknown"][here[t, i], action[t, i]], self._values()[step[i] + 1])
            step = step + 1
        self._make_plan()
        self._updates += 1
        return {"explore/pairs": float((counts["tried"] > 0).sum())}

    def _values(self) -> Array:
        """Of the plan that training follows, at each step, [H, S], as shares of an episode's steps."""
        found: Array = self.plan["worth"].max(axis=2) / self._horizon
        return found

    def _make_plan(self) -> None:
        config, most = self.config, self._most
        counts = exploration.Counts(**self.counts)
        if config.rule == "rmax":
            worth = exploration.rmax(counts, most, config.m)
        elif config.rule == "ucbvi":
            worth = exploration.ucbvi(counts, most, config.c)
        elif config.rule == "psrl":
            worth = exploration.psrl(counts, self._horizon, config.alpha, self._rng)
        elif config.rule == "rlsvi":
            worth = exploration.rlsvi(counts, most, config.c, self._rng)
        elif config.rule == "mex":
            worth = exploration.mex(counts, most, config.eta)
        elif config.rule == "reward_free":
            if self._targets:
                pseudo = exploration.value_targeted(self.plan["unknown"], self._values(), config.beta)
            else:
                pseudo = exploration.one_over_n(counts)
            worth = exploration.reward_free(counts, pseudo, self._horizon)
            self.plan["paid"][:] = exploration.greedy(counts, most)
        else:
            worth = exploration.greedy(counts, most)
        self.plan["worth"][:] = worth


class _Arrays(dict[str, Array]):
    """Arrays by name that are saved and restored."""

    def state_dict(self) -> State:
        return {name: torch.from_numpy(array.copy()) for name, array in self.items()}

    def load_state_dict(self, state: State) -> None:
        for name, array in self.items():
            array[:] = state[name].cpu().numpy()
