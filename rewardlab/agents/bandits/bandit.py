"""Bandit rules: greedy, epsilon-greedy, UCB1, Thompson sampling, successive elimination, Exp3: no training at all

Papers: Auer, Cesa-Bianchi and Fischer 2002; Thompson 1933; Even-Dar, Mannor and Mansour 2006; Auer et al. 2002 (Exp3);
as in Slivkins 2019, Introduction to multi-armed bandits (arXiv:1904.07272)

Each is a policy that is fixed from the start. What it knows of the running problem is its recurrent state, in float64,
which ends with the episode. It plays `env=bandit env.show=last`, where the last arm and its reward are seen.

| agent.rule | pulls |
|---|---|
| greedy | the best mean so far, each arm once first |
| epsilon | likewise; with probability `agent.epsilon` any arm |
| ucb1 | the largest mean + c sqrt(ln t / n); c is sqrt 2 by default |
| thompson | the largest draw of Beta(1 + s, 1 + n - s); without bounds on rewards, of a posterior on N(0, 1) |
| elimination | arms in turn; those leave whose mean + sqrt(2 ln T / n) is below another's mean - sqrt(2 ln T / n) |
| exp3 | by weights that fall by exp(-eta loss / p), eta = sqrt(2 ln K / (T K)); loss = 1 - reward |
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.agents import random
from rewardlab.errors import UserError
from rewardlab.maths import bandits, distributions
from rewardlab.schemas import option
from rewardlab.types import ActOutput, Assessment, BuildContext, Rollout, StreamSpec, TensorObs

VERSION = 1
_SURE = 100.0  # the logit of what a rule pulls


@dataclass
class Config(random.Config):
    rule: str = option("ucb1", "how an arm is chosen", choices=bandits.RULES)
    c: float | None = option(None, "of rule=ucb1: width of the bounds; null: sqrt 2", minimum=0)
    epsilon: float = option(0.1, "of rule=epsilon: probability of any arm", minimum=0, maximum=1)

    def validate(self) -> None:
        if self.c is not None and self.rule != "ucb1":
            raise ValueError(f"c={self.c:g}: only rule=ucb1 has it")
        if self.epsilon != 0.1 and self.rule != "epsilon":
            raise ValueError(f"epsilon={self.epsilon:g}: only rule=epsilon has it")


class Agent(random.Agent):
    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if len(streams) > 1:
            raise UserError("agent=bandit learns nothing: use reward=none and curriculum=none")
        super().__init__(config, context, streams)
        spec, shown = context.spec, context.spec.obs.get("vector")
        arms = spec.action.n
        if arms is None or shown is None or list(spec.obs) != ["vector"] or shown.shape != (arms + 1,):
            raise UserError(
                f"agent=bandit: {spec.id} does not show the last arm and its reward; use env=bandit env.show=last"
            )
        if spec.max_steps is None:
            raise UserError(f"agent=bandit: {spec.id} sets no limit of pulls")
        unit = shown.bounds is not None and shown.bounds[0][-1] >= 0.0 and shown.bounds[1][-1] <= 1.0
        if config.rule == "exp3" and not unit and shown.bounds is not None:
            raise UserError("agent.rule=exp3: needs rewards within 0 and 1; use env.kind=bernoulli or adversarial")
        self._arms = arms
        self.bandit_rule = bandits.Rule(
            bandits.RULES.index(config.rule),
            {"ucb1": math.sqrt(2.0) if config.c is None else config.c, "epsilon": config.epsilon}.get(config.rule, 0.0),
            float(spec.max_steps),
            unit,
        )
        self.stochastic = config.rule in ("epsilon", "thompson", "exp3")

    def initial_state(self, num_envs: int) -> torch.Tensor:
        return torch.zeros(num_envs, bandits.row_size(self._arms), dtype=torch.float64)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        """The same in all modes. Random numbers are drawn where problems begin, for all environments."""
        assert state is not None
        shown, rows = obs["vector"].cpu(), state.cpu().clone()
        keys = bandits.draw_keys(len(rows), rng) if bool(first.any()) else torch.zeros(len(rows), dtype=torch.float64)
        arm, reward = shown[:, : self._arms].argmax(dim=1), shown[:, self._arms].double()
        rule = self.bandit_rule
        pulled = bandits.act(
            rows.numpy(), first.cpu().numpy(), keys.numpy(), arm.numpy(), reward.numpy(),
            rule.number, rule.option, rule.horizon, rule.unit,
        )  # fmt: skip
        return ActOutput(torch.from_numpy(pulled).to(self._device), rows)

    def assess(self, rollout: Rollout) -> Assessment:
        """As if it had been sure of what it pulled."""
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, 1, device=self._device)
        logits = _SURE * torch.nn.functional.one_hot(rollout.action, self._arms).float()
        return Assessment(distributions.log_prob({"logits": logits}, rollout.action), {"logits": logits}, values)
