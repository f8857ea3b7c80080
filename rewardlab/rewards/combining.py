"""Several streams of a mix as one: the options `combine`, `parts`, `share` and `thresholds` of `reward=mix`.

| rule | parts | the stream `combined` pays |
|---|---|---|
| product | progress, factors | the first times all others, each held within [0, 1] (CaRL) |
| kinesthetic | any | the geometric mean of their sizes, positive only where no part is negative (Lucy-SKG) |
| gated | first things first | their sum, each only where those before it reach their `thresholds` (G-RA) |
| harmonic | two | 1 / (share / r1 + (1 - share) / r2); 0 where one is not positive (lambda-Harmonic) |
| r3 | relevance, incentive, repetition | relevance * incentive - repetition (R3) |
| mixed_grain | of the episode, of steps | share * r1 + (1 - share) * the mean of r2, at the episode's end (PageLLM) |

`lagrangian` leaves the two streams of a mix apart and mixes their advantages instead: see `Multiplier`.

A rule sees each part's reward times its weight. gated, harmonic and mixed_grain are known from their abstracts only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from rewardlab.errors import UserError, unknown
from rewardlab.maths import reward_combine as maths
from rewardlab.parts.reward_transforms import AtEnd, MeanAtEnd
from rewardlab.types import BuildContext, Rollout, State, StreamSpec

SUM, COMBINED = "sum", "combined"  # the rule that leaves streams as they are; the stream of all others
_COUNTS = {"product": (2, 99), "kinesthetic": (1, 99), "gated": (2, 99), "harmonic": (2, 2), "r3": (3, 3),
           "mixed_grain": (2, 2)}  # fmt: skip
LAGRANGIAN = "lagrangian"
RULES = (SUM, *_COUNTS, LAGRANGIAN)
ONE_STREAM = tuple(_COUNTS)  # the rules that give one
_RATE, _MOMENTUM = 0.05, 0.9  # of the multiplier's steps
WITH_SHARE = ("harmonic", "mixed_grain")


class Combination:
    """Which streams become one, and how.

    Args:
        given: the streams that there are, weighed.
        wanted: names of those that are combined, in the rule's order; empty: all.
        coef: weight of what they become.
        share: of the first part, in (0, 1).
        thresholds: [K - 1].

    Attributes:
        parts: their names. spec: the stream that they become, with the discount that they have in common.
        pays_anew: whether `anew` works.

    Raises:
        UserError: the streams do not fit the rule or one another.
    """

    def __init__(
        self,
        rule: str,
        given: Sequence[StreamSpec],
        wanted: Sequence[str],
        coef: float,
        share: float,
        thresholds: Sequence[float],
        context: BuildContext,
    ) -> None:
        by_name = {spec.name: spec for spec in given}
        for name in wanted:
            if name not in by_name:
                raise unknown("reward.parts", name, by_name, "stream of the mix")
        self.parts = tuple(wanted) or tuple(by_name)
        specs = [by_name[name] for name in self.parts]
        fewest, most = _COUNTS[rule]
        if not fewest <= len(specs) <= most:
            takes = str(fewest) if fewest == most else f"{fewest} or more"
            raise UserError(
                f"reward.combine={rule}: takes {takes} streams, and there are {len(specs)} ({', '.join(self.parts)});"
                " name them in reward.parts"
            )
        if rule == "gated" and len(thresholds) != len(specs) - 1:
            raise UserError(
                f"reward.thresholds={list(thresholds)}: combine=gated needs one for each part but the last,"
                f" {len(specs) - 1} for {', '.join(self.parts)}"
            )
        _refuse_unlike(specs)
        if COMBINED in set(by_name) - set(self.parts):
            raise UserError(f"reward.schemes.{COMBINED}: is what the combined stream is called; give it another name")
        self.spec = replace(specs[0], name=COMBINED, coef=coef)
        self.pays_anew = rule != "mixed_grain"
        self._coefs = [spec.coef for spec in specs]
        self._steps = None if self.pays_anew else MeanAtEnd((), context)
        self._rule: Callable[[torch.Tensor], torch.Tensor] = {
            "product": maths.product,
            "kinesthetic": maths.kinesthetic,
            "gated": lambda parts: maths.gated(parts, parts.new_tensor(thresholds)),
            "harmonic": lambda parts: maths.harmonic(parts, share),
            "r3": maths.relevance_incentive_repetition,
            "mixed_grain": lambda parts: maths.mixed_grain(parts, share),
        }[rule]

    def of(self, streams: Mapping[str, torch.Tensor], rollout: Rollout) -> torch.Tensor:
        """float32 [T, N] of the streams, [T, N] each; called once for each rollout."""
        parts = self._weighed(streams)
        if self._steps is not None:
            parts = torch.stack([parts[0], self._steps.pay(parts[1], rollout)])
        return self._rule(parts)

    def anew(self, streams: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """float32 [B] of the streams of replayed steps, [B] each."""
        return self._rule(self._weighed(streams))

    def _weighed(self, streams: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([coef * streams[name] for name, coef in zip(self.parts, self._coefs, strict=True)])

    def state_dict(self) -> State:
        return {} if self._steps is None else self._steps.state_dict()

    def load_state_dict(self, state: State) -> None:
        if self._steps is not None:
            self._steps.load_state_dict(state)


def _refuse_unlike(specs: Sequence[StreamSpec]) -> None:
    first = specs[0]
    for spec in specs:
        if spec.coef_end != 1.0:
            raise UserError(f"reward.combine: the weight of {spec.name} fades, and one stream fades as a whole or not")
        if (spec.gamma, spec.episodic) != (first.gamma, first.episodic):
            raise UserError(
                f"reward.combine: {first.name} has gamma={first.gamma:g} episodic={str(first.episodic).lower()} and"
                f" {spec.name} has gamma={spec.gamma:g} episodic={str(spec.episodic).lower()}; one stream has one"
            )


class Multiplier:
    """How much a constraint counts against the task: lambda = sigmoid(xi), with xi = 0 at first.

    Advantages of the task count 1 - lambda, and those of the constraint lambda, each scaled to mean 0, std 1 first.
    After each rollout in which episodes ended xi takes a step of SGD with momentum on lambda (mean return of the
    constraint - threshold): lambda falls while the constraint holds, and rises while it does not. The authors take such
    a step for each minibatch.

    Source: Moskovitz et al. 2024, Confronting reward model overoptimization with constrained RLHF (arXiv:2310.04373).

    Args:
        given: the streams of the mix beside the task's.
        threshold: what the episodes' undiscounted sums of the constraint, weighed, are to reach on average.

    Raises:
        UserError: there is not one.
    """

    def __init__(self, given: Sequence[StreamSpec], thresholds: Sequence[float], context: BuildContext) -> None:
        if len(given) != 1:
            names = ", ".join(spec.name for spec in given)
            raise UserError(f"reward.combine={LAGRANGIAN}: takes one stream beside the task's, and there are {names}")
        if len(thresholds) != 1:
            raise UserError(f"reward.thresholds={list(thresholds)}: combine={LAGRANGIAN} needs one, of {given[0].name}")
        self._spec, self._threshold = given[0], thresholds[0]
        self._sums = AtEnd((), context)
        self._xi, self._velocity = 0.0, 0.0

    @property
    def share(self) -> float:
        """lambda, in (0, 1)."""
        return 1.0 / (1.0 + math.exp(-self._xi))

    def mixture(self, streams: Mapping[str, torch.Tensor], rollout: Rollout) -> dict[str, float]:
        """The shares of both streams, [T, N], in this rollout, before it is learned from."""
        shares = {"task": 1.0 - self.share, self._spec.name: self.share}
        weighed = self._spec.weight(rollout.progress) * streams[self._spec.name]
        sums = self._sums.pay(weighed, rollout)[rollout.done]
        if len(sums):
            gradient = self.share * (1.0 - self.share) * (float(sums.mean()) - self._threshold)
            self._velocity = _MOMENTUM * self._velocity + gradient
            self._xi -= _RATE * self._velocity
        return shares

    def state_dict(self) -> State:
        return {"xi": self._xi, "velocity": self._velocity, "sums": self._sums.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._xi, self._velocity = state["xi"], state["velocity"]
        self._sums.load_state_dict(state["sums"])
