"""Partial credit: pays for an answer that is partly right, on worlds whose answers are symbols in slots (`env=slots`).

Assumes: privileged: what is given and what is wanted

| method | paid | for |
|---|---|---|
| set_match | at the end | right slots, less for wrong ones and for none; 1 only for all (as STAR-R1) |
| component_set | at the end | all right, symbols, pairs of neighbours, no slot empty, weighed (as Reasoning-SQL) |
| weighted_tests | at the end | a test for each slot, heavier the more it fails, and all passed (as VeRPO) |
| tool_match | at the end | calls of `call_size` slots, a name and its parameters; -3 to 3 (ToolRL) |
| tiered | at the end | each of `tiers` that the share of wrong slots is within (as SSL) |
| progressive | at the end | tiered, with tiers that shrink to 0 over the budget (as Vision-R1) |
| gaussian | at the end | four slots as a box: mean of nearness and likeness (GUI-G2) |
| box_size | at the end | four slots as a box: centre, overlap and edges (GUI-G1) |
| checklist | `assign` | the share of slots that were right at any step; turn: at the end; step: each at once (CM2) |
| evidence | at the end | a right answer, and the source that tells it looked into before (as RARE) |
| milestone | at once | each new most of right slots, once, over the number of slots (as Yang et al. 2025, MLE agents) |

Where it says "as", the paper's abstract alone was at hand, and weights and scales are ours: see
rewardlab/maths/partial_credit.py.

The end is the step that hands the answer in. Who hands in nothing before time is up is paid as for empty slots there;
but a checklist is paid however the episode ends. In `checklist assign=step` a slot counts once those before it have.
Boxes are x, y, width and height in symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.facts import EVIDENCE, GIVEN, RIGHT, WANTED
from rewardlab.maths import partial_credit as maths
from rewardlab.maths.reward_transforms import milestones
from rewardlab.parts.expressions import fact_shape
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Rollout, State

VERSION = 1
METHODS = ("set_match", "component_set", "weighted_tests", "tool_match", "tiered", "progressive", "gaussian",
           "box_size", "checklist", "milestone", "evidence")  # fmt: skip
_BOXES, _TIERED = ("gaussian", "box_size"), ("tiered", "progressive")
_RATE = 0.01  # of the running pass rates of tests, for each answer


@dataclass
class Config(BonusConfig):
    coef: float = option(0.5, "weight of the credit", minimum=0)
    method: str = option("set_match", "what is credited", choices=METHODS)
    assign: str = option("turn", "method=checklist: paid at the end or at once", choices=("turn", "step"))
    call_size: int = option(2, "method=tool_match: slots of a call, its name first", minimum=1)
    image: float = option(10.0, "method=box_size: width and height of what boxes lie in, in symbols", above=0)
    evidence: float = option(
        0.25,
        "method=evidence: credit for the right source beside 1 for a right answer",
        above=0,
        maximum=1,
        neutral=0.25,
    )
    tiers: list[float] = option([0.5, 0.25, 0.0], f"method={','.join(_TIERED)}: falling shares of wrong slots")

    def privileged(self) -> tuple[str, ...]:
        more = {"milestone": (RIGHT,), "evidence": (EVIDENCE,)}
        return (GIVEN, WANTED, *more.get(self.method, ()))

    def validate(self) -> None:
        falls = all(a > b for a, b in zip(self.tiers, self.tiers[1:], strict=False))
        if not (self.tiers and falls and self.tiers[-1] == 0 and self.tiers[0] <= 1):
            raise ValueError(f"tiers={list(self.tiers)}: must be shares that fall to 0, as in [0.5,0.25,0]")


class Scheme(BonusScheme):
    """Remembers of an episode which slots were right, and over the run how often each test is passed."""

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodic_memory = config.method != "weighted_tests" and config.method != "progressive"
        self._memory: dict[str, torch.Tensor] = {}
        slots = fact_shape(GIVEN, context.spec)[0]
        if config.method in _BOXES and slots != 4:
            raise UserError(f"reward.method={config.method}: a box has four slots, and {context.spec.id} has {slots}")
        if config.method == "tool_match" and slots % config.call_size:
            raise UserError(
                f"reward.call_size={config.call_size}: {context.spec.id} has {slots} slots, which are no whole calls"
            )

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        given, wanted = rollout.privileged[GIVEN].long(), rollout.privileged[WANTED].long()
        if self.config.method == "milestone":
            gained = (rollout.privileged[RIGHT] - rollout.current_privileged[RIGHT]).float() / given.shape[-1]
            kept = self._kept("best", torch.zeros(2, rollout.num_envs, device=given.device))
            paid, *after = milestones(gained, rollout.first, *kept)
            self._memory["best"] = torch.stack(after)
            return paid
        if self.config.method == "checklist":
            return self._ticked(rollout, given == wanted)
        answers = given.masked_fill(~rollout.terminated[..., None], 0)  # what is not handed in is no answer
        if self.config.method == "evidence":
            found = rollout.privileged[EVIDENCE] != 0
            return maths.evidence(answers, wanted, found, self.config.evidence) * rollout.done
        paid = torch.zeros(rollout.task_reward.shape, device=given.device)
        for t in rollout.done.any(dim=1).nonzero().flatten().tolist():  # in their order: tests are weighed anew
            done = rollout.done[t]
            paid[t, done] = self._credit(answers[t, done], wanted[t, done], rollout.progress)
        return paid

    def _credit(self, given: torch.Tensor, wanted: torch.Tensor, progress: float) -> torch.Tensor:
        """float32 [B] of answers [B, n]."""
        method, tiers = self.config.method, self.config.tiers
        if method == "set_match":
            return maths.set_match(given, wanted)
        if method == "component_set":
            return maths.component_set(given, wanted, int(torch.maximum(given, wanted).max()))
        if method == "tool_match":
            return torch.tensor([self._matched(*pair) for pair in zip(given.tolist(), wanted.tolist(), strict=True)])
        if method in _TIERED:
            left = 1.0 - progress if method == "progressive" else 1.0
            return maths.tiered((given != wanted).float().mean(dim=-1), [tier * left for tier in tiers])
        if method in _BOXES:
            return self._boxes(given.float(), wanted.float())
        passed = given == wanted
        rates = self._kept("rates", torch.zeros(given.shape[-1], device=given.device))
        paid = maths.weighted_tests(passed, maths.failing_weights(rates))
        self._memory["rates"] = rates + (1.0 - (1.0 - _RATE) ** len(passed)) * (passed.float().mean(dim=0) - rates)
        return paid

    def _boxes(self, given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """A box without a size is none."""
        sized = (given > 0).all(dim=-1)
        given = given.where(sized[:, None], 1.0)
        if self.config.method == "gaussian":
            credit = torch.stack(maths.gaussian(given, wanted)).mean(dim=0)
        else:
            credit = maths.box_size(given, wanted, self.config.image)
        return credit * sized

    def _matched(self, given: list[int], wanted: list[int]) -> float:
        return maths.tool_match(self._calls(given), self._calls(wanted))

    def _calls(self, symbols: list[int]) -> list[maths.Call]:
        """Calls whose name is there, with the parameters that are, numbered."""
        size = self.config.call_size
        calls = [symbols[at : at + size] for at in range(0, len(symbols), size)]
        return [(name, {i: value for i, value in enumerate(rest) if value}) for name, *rest in calls if name]

    def _ticked(self, rollout: Rollout, right: torch.Tensor) -> torch.Tensor:
        met = self._kept("met", torch.zeros_like(right[0]))
        paid = torch.zeros(rollout.task_reward.shape, device=right.device)
        at_once, count = self.config.assign == "step", right.shape[-1]
        for t in range(rollout.steps):
            met = met & ~rollout.first[t, :, None]
            now = met | right[t]
            if at_once:
                now = met | (now.long().cumprod(dim=-1) > 0)  # those before it have to be met
                paid[t] = (now & ~met).sum(dim=-1) / count
            met = now
            if not at_once:
                paid[t] = met.float().mean(dim=-1) * rollout.done[t]
        self._memory["met"] = met
        return paid

    def _kept(self, name: str, fresh: torch.Tensor) -> torch.Tensor:
        return self._memory.get(name, fresh)

    def state_dict(self) -> State:
        return {name: value.clone() for name, value in self._memory.items()}

    def load_state_dict(self, state: State) -> None:
        self._memory = {name: value.to(self.context.device) for name, value in state.items()}
