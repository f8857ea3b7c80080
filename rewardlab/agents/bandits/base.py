"""What rules of bandits have in common: a policy fixed from the start, whose memory of a problem is its recurrent
state.

What it knows of the running problem is in float64 and ends with the episode. Rules play worlds that show the last arm
and what it paid (`env.show=last`), and read what `EnvSpec.arms` says of the arms.
"""

from __future__ import annotations

from abc import abstractmethod

import torch

from rewardlab.agents import random
from rewardlab.errors import UserError
from rewardlab.maths import bandits, distributions
from rewardlab.types import ActOutput, Array, Assessment, BuildContext, Rollout, StreamSpec, TensorObs

_SURE = 100.0  # the logit of what a rule pulls


class RuleAgent(random.Agent):
    """Attributes:
    arms, horizon: how many there are, and the pulls T of a problem.
    known: what the world says of its arms.
    unit: whether rewards are within 0 and 1.
    row_size: numbers that are remembered of a problem; set by subclasses.
    """

    row_size: int

    def __init__(self, config: random.Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: it is to be paid a bonus, or the environment does not show what it needs.
        """
        agent, spec = f"agent={config.name}", context.spec
        if len(streams) > 1:
            raise UserError(f"{agent} learns nothing: use reward=none and curriculum=none")
        super().__init__(config, context, streams)
        shown = spec.obs.get("vector")
        if spec.arms is None or spec.action.n is None or shown is None or list(spec.obs) != ["vector"]:
            raise UserError(
                f"{agent}: {spec.id} does not show the last arm and its reward; use env=bandit env.show=last"
            )
        if spec.max_steps is None:
            raise UserError(f"{agent}: {spec.id} sets no limit of pulls")
        self.arms, self.horizon, self.known = spec.action.n, float(spec.max_steps), spec.arms
        self.unit = shown.bounds is not None and shown.bounds[0][self.arms] >= 0.0 and shown.bounds[1][self.arms] <= 1.0

    @abstractmethod
    def pull(self, rows: Array, first: Array, keys: Array, arm: Array, paid: Array) -> Array:
        """Arms to pull, int64 [N].

        Args:
            rows: float64 [N, row_size], what is remembered, changed in place.
            first: bool [N], where a problem begins.
            keys: float64 [N], what random numbers of problems that begin are made of: see `maths.bandits`.
            arm: int64 [N], the last one. paid: float64 [N, 1 + costs], what it paid, and what it cost.
        """

    def initial_state(self, num_envs: int) -> torch.Tensor:
        return torch.zeros(num_envs, self.row_size, dtype=torch.float64)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        """The same in all modes. Random numbers are drawn where problems begin, for all environments."""
        assert state is not None
        shown, rows = obs["vector"].cpu(), state.cpu().clone()
        keys = bandits.draw_keys(len(rows), rng) if bool(first.any()) else torch.zeros(len(rows), dtype=torch.float64)
        arm = shown[:, : self.arms].argmax(dim=1)
        paid = shown[:, self.arms : self.arms + 1 + self.known.costs].double().contiguous()
        pulled = self.pull(rows.numpy(), first.cpu().numpy(), keys.numpy(), arm.numpy(), paid.numpy())
        return ActOutput(torch.from_numpy(pulled).to(self._device), rows)

    def assess(self, rollout: Rollout) -> Assessment:
        """As if it had been sure of what it pulled."""
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, 1, device=self._device)
        logits = _SURE * torch.nn.functional.one_hot(rollout.action, self.arms).float()
        return Assessment(distributions.log_prob({"logits": logits}, rollout.action), {"logits": logits}, values)


class CompiledRule(RuleAgent):
    """One of `maths.bandits`, which evaluations play in compiled passes."""

    def __init__(
        self,
        config: random.Config,
        context: BuildContext,
        streams: tuple[StreamSpec, ...],
        number: int,
        option: float = 0.0,
        burn_in: float = 0.0,
        block: float = 1.0,
    ) -> None:
        super().__init__(config, context, streams)
        self.row_size = bandits.row_size(self.arms)
        self.bandit_rule = bandits.Rule(number, option, self.horizon, self.unit, burn_in, block)

    def pull(self, rows: Array, first: Array, keys: Array, arm: Array, paid: Array) -> Array:
        rule = self.bandit_rule
        found: Array = bandits.act(
            rows, first, keys, arm, paid[:, 0].copy(),
            rule.number, rule.option, rule.horizon, rule.unit, rule.burn_in, rule.block,
        )  # fmt: skip
        return found
