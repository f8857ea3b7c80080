"""What learns in reward=preference: an ensemble, the comparisons that it learns from, and its fits."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from rewardlab.maths.distinct import pick
from rewardlab.maths.preference_losses import agreement, along_preferences, preference_loss, rating_loss
from rewardlab.maths.teachers import Answers
from rewardlab.parts.buffers.replay import Replay, columns_of, steps_of
from rewardlab.parts.buffers.segments import LENGTH, PLAYED
from rewardlab.parts.models.reward_model import Fitting, RewardModel, aggregated
from rewardlab.parts.models.standardised_inputs import StandardisedInputs
from rewardlab.parts.models.two_passes import TwoPasses, doubted_loss
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.parts.state import load_state, state_of
from rewardlab.rewards.learned.preference_options import Options
from rewardlab.types import BuildContext, Metrics, State, TensorObs

_PIECE = 1e10  # multiplications of a piece of a fit: about a second of one core
_PAIRS_AT_ONCE = 64  # that are judged in one pass
_STATEFUL: tuple[str, ...] = ("inputs", "model", "fitting", "comparisons", "strengths", "ratings")


class Learner:
    """A reward of single steps, under which the better segment of a pair has the greater sum.

    A step that occurs often is passed through the networks once: grid worlds show the same few again and again.

    Args:
        segment: steps of a segment, at most. kept: comparisons that are kept, the latest.
    """

    def __init__(
        self, options: Options, inputs: StandardisedInputs, segment: int, kept: int, context: BuildContext
    ) -> None:
        device = context.device
        self._options, self._segment, self._rng = options, segment, context.numpy_rng
        self._generator = context.generator
        self.inputs = inputs
        self.model = self._new_model().to(device)
        self.passes: TwoPasses | None = None
        self._stateful = _STATEFUL
        if options.two_pass:
            self.passes = TwoPasses(self.model, options.hidden, options.two_pass, context.generator).to(device)
            self._stateful += ("passes",)
        self.fitting = Fitting(self.model, options.learning_rate, options.accuracy, _PIECE)
        self.comparisons = Replay(kept, device)
        self.strengths, self.ratings = RunningMoments(), RunningMoments()
        self._compared: Known | None = None
        self._first: RewardModel | None = None  # strength=direction: the model as its first fit left it
        self._rates = options.init == "regression"  # whether fits are to ratings, as the first one is there

    def paid(self, steps: TensorObs) -> torch.Tensor:
        """What steps are worth, columns [..., *shape] -> [...]."""
        shape = steps["action"].shape[: steps["action"].dim() - len(self.inputs.spec.action.shape)]
        flat = {name: column.flatten(0, len(shape) - 1) for name, column in steps.items()}
        return aggregated(self._rewards_of(flat), self._options.agg).view(shape)

    def sums(self, pairs: TensorObs) -> torch.Tensor:
        """What each network makes of the segments of pairs, [E, B, 2]."""
        return torch.cat([rewards.sum(dim=-1) for rewards in self._rewards(pairs)], dim=1)

    def worth(self, pairs: TensorObs) -> torch.Tensor:
        """The sums of what would be paid for segments, [B, 2]."""
        return torch.cat([aggregated(rewards, self._options.agg).sum(dim=-1) for rewards in self._rewards(pairs)])

    @torch.no_grad()
    def features(self, steps: TensorObs) -> torch.Tensor:
        """What the last layers of all networks read of steps [B], float32 [B, E * H]."""
        return self.model.ensemble.trunk(self.inputs(steps)).transpose(0, 1).flatten(1)

    @torch.no_grad()
    def summary(self, pairs: TensorObs) -> torch.Tensor:
        """The mean inputs of both segments, [B, 2 * D]."""
        inputs: torch.Tensor = self.inputs(pairs) * within(pairs).unsqueeze(-1)
        return (inputs.sum(dim=2) / pairs[PLAYED].unsqueeze(-1)).flatten(1)

    def known(self) -> TensorObs:
        """All comparisons that it learns from, [C, ...] each."""
        return columns_of(self.comparisons.at(np.arange(len(self.comparisons))))

    def take_in(self, asked: TensorObs, answers: Answers) -> int:
        """Keep what was answered, and begin to fit; how many there were."""
        given = answers.given.nonzero().squeeze(-1)
        if not len(given):
            return 0
        kept = {name: column[given.to(column.device)] for name, column in self._columns_of(asked, answers).items()}
        self.strengths.add(kept["strength"])
        self.ratings.add(kept["rating"].flatten())
        self.comparisons.add(steps_of(kept))
        self.inputs.settle()
        self._compared = None
        self.fitting.begin(self._options.epochs * self._steps_of_a_pass)
        return len(given)

    def learn(self) -> Metrics:
        """A piece of the fit."""
        right: list[float] = []
        losses = self.fitting.go_on(self._steps_of_a_pass, lambda: self._step(right))
        if self._rates and not self.fitting.going:
            self._rates = False
            self.model.ensemble.renew_last(self._generator)
            self.fitting.forget()
            self.fitting.begin(self._options.epochs * self._steps_of_a_pass)
        if self._options.strength == "direction" and self._first is None and not self.fitting.going:
            self._first = copy.deepcopy(self.model)
        told = {"loss/preference": float(np.mean(losses))}
        return told | ({"explore/preference_accuracy": float(np.mean(right))} if right else {})

    def state_dict(self) -> State:
        return state_of({name: getattr(self, name) for name in self._stateful}) | {
            "rates": self._rates,
            "first": None if self._first is None else self._first.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        load_state({name: getattr(self, name) for name in self._stateful}, state)
        self._rates, self._compared, self._first = state["rates"], None, None
        if state["first"] is not None:
            self._first = copy.deepcopy(self.model)
            self._first.load_state_dict(state["first"])

    def _new_model(self) -> RewardModel:
        options = self._options
        return RewardModel(self.inputs.size, options.hidden, options.members, options.output, self._generator)

    def _columns_of(self, asked: TensorObs, answers: Answers) -> TensorObs:
        """The columns of comparisons, of all that was asked."""
        kept = {name: asked[name] for name in (*self.inputs.names, LENGTH, PLAYED)}
        kept |= {"preferred": answers.preferred, "strength": answers.strength}
        return kept | {"rating": asked["task_reward"].sum(dim=2) / asked[PLAYED]}

    def _rewards(self, pairs: TensorObs) -> Iterator[torch.Tensor]:
        """Of all networks, 0 beyond the end of segments, [E, b, 2, w]: of some pairs after the other."""
        for start in range(0, len(pairs[LENGTH]), _PAIRS_AT_ONCE):
            part = cropped({name: column[start : start + _PAIRS_AT_ONCE] for name, column in pairs.items()})
            inside = within(part)
            steps = {name: part[name].flatten(0, 2) for name in self.inputs.names}
            yield self._rewards_of(steps).view(-1, *inside.shape) * inside

    @torch.no_grad()
    def _rewards_of(self, steps: TensorObs) -> torch.Tensor:
        """Of each member, columns [B, *shape] -> [E, B]."""
        distinct, place = self.inputs.told_apart(steps)
        inputs = self.inputs(distinct)
        found: torch.Tensor = self.model(inputs) if self.passes is None else self.passes.paid(inputs)
        return found.index_select(1, place)

    @property
    def _batch(self) -> int:
        """Comparisons of a gradient step: fewer than are wanted where the model is so large that a step would last."""
        most = self.fitting.rows_at_once // (2 * self._segment)
        return max(1, min(self._options.batch_size, len(self.comparisons), most))

    @property
    def _steps_of_a_pass(self) -> int:
        return -(-len(self.comparisons) // self._batch)

    def _step(self, told: list[float]) -> tuple[torch.Tensor, float, float, int]:
        """A minibatch of each network its own: see `Fitting.go_on`."""
        members, known = self._options.members, self._known()
        drawn = self._rng.integers(len(self.comparisons), size=members * self._batch)
        chosen = torch.from_numpy(drawn).to(known.place.device)
        loss, difference, rows = self._loss(known, chosen)
        preferred = known.preferred[chosen].view(members, -1)
        right, seen = float(agreement(difference.detach(), preferred).sum()), float((preferred != 0.5).sum())
        if seen:
            told.append(right / seen)
        return loss.sum(), right, seen, rows

    def _loss(self, known: Known, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Of comparisons of each network's own, [E * B]: its loss [E], by how much it prefers the first ones [E, B],
        and inputs of each.
        """
        options, members = self._options, self._options.members
        passes, rows = self._rewards_at(known, chosen)
        inside = known.inside[chosen].view(passes.shape[1:])
        sums = (passes[0] * inside).sum(dim=-1)
        difference, preferred = sums[..., 0] - sums[..., 1], known.preferred[chosen].view(members, -1)
        if options.loss == "regression" or self._rates:
            ratings = (known.rating[chosen] - self.ratings.mean) / self.ratings.std
            means = sums / known.played[chosen].view(sums.shape)
            loss = rating_loss(means.flatten(1), ratings.view(members, -1))
        else:
            strength = known.strength.gather(1, chosen.view(members, -1))
            strength = strength * options.margin if options.loss == "margin" else strength
            first = options.strength == "direction" and self._first is None
            kind = "bt" if first else options.loss
            if self.passes is None:
                loss = preference_loss(difference, preferred, strength, kind)
            else:
                apart = ((passes[0] - passes[1]).abs() * inside).sum(dim=(-1, -2)) / inside.sum(dim=(-1, -2))
                each = preference_loss(difference.unsqueeze(-1), preferred.unsqueeze(-1), strength.unsqueeze(-1), kind)
                loss = doubted_loss(each, apart).mean(dim=-1)
        return loss, difference, rows

    def _rewards_at(self, known: Known, chosen: torch.Tensor) -> tuple[torch.Tensor, int]:
        """The rewards of each network for comparisons of its own, [E * B] -> [P, E, B, 2, w] of one pass or two; and
        inputs of each.
        """
        members = self._options.members
        shown, places = self._shown(known, chosen)
        if self._rates:
            passes = self.model.unbounded(shown)[None]
        else:
            passes = self.model(shown)[None] if self.passes is None else self.passes.drawn(shown)
        rewards = passes.gather(2, places.expand(len(passes), -1, -1))
        return rewards.view(len(passes), members, -1, *known.place.shape[1:]), shown.shape[1] * len(passes)

    def _shown(self, known: Known, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs of each network for comparisons of its own, [E * B] -> [E, R, D], each distinct step once; and which
        of them the steps are, int64 [E, B * 2 * w].
        """
        members = self._options.members
        picked = [pick(places, known.distinct) for places in known.place[chosen].view(members, -1)]
        most = max(len(each.rows) for each in picked)
        rows = torch.cat([functional.pad(each.rows, (0, most - len(each.rows))) for each in picked])
        inputs = self.inputs({name: column.index_select(0, rows) for name, column in known.steps.items()})
        return inputs.view(members, most, -1), torch.stack([each.place for each in picked])

    def _known(self) -> Known:
        """The comparisons as fits read them: put in order once."""
        if self._compared is None:
            pairs = cropped(self.known())
            steps, place = self.inputs.told_apart({name: pairs[name].flatten(0, 2) for name in self.inputs.names})
            inside = within(pairs)
            rest = pairs["preferred"], pairs["rating"], pairs[PLAYED], pairs.get("context")
            told = (pairs["strength"] / self.strengths.mean.clamp(min=1e-12)).expand(self._options.members, -1)
            known = Known(steps, place.view(inside.shape), inside, told, *rest)
            self._compared = known if self._first is None else replace(known, strength=self._seen(known, self._first))
        return self._compared

    @torch.no_grad()
    def _seen(self, known: Known, model: RewardModel) -> torch.Tensor:
        """How clearly the better segment is the better one, as each network of a model sees it: mean 1, [E, C]."""
        features = model.ensemble.trunk(self.inputs(known.steps))
        found = []
        for member in features:
            apart = []
            for start in range(0, len(known.place), _PAIRS_AT_ONCE):
                part = slice(start, start + _PAIRS_AT_ONCE)
                place, inside = known.place[part], known.inside[part]
                means = (member[place] * inside.unsqueeze(-1)).sum(dim=2) / inside.sum(dim=2, keepdim=True)
                apart.append(means[:, 0] - means[:, 1])
            found.append(along_preferences(torch.cat(apart) * (2.0 * known.preferred.unsqueeze(-1) - 1.0)))
        strength = torch.stack(found)
        return strength / strength.mean(dim=1, keepdim=True).clamp(min=1e-12)


@dataclass(frozen=True)
class Known:
    """C comparisons.

    steps: the distinct ones that occur, [U, *shape] each. place: int64 [C, 2, W], which of them a step is.
    inside: float32 [C, 2, W], 1 where a step is within its segment. strength: float32 [E, C], for each network, mean 1.
    context: int64 [C], by which of several criteria they were compared, -1 where that is not told.
    The rest as they are kept: [C], [C, 2], [C, 2].
    """

    steps: TensorObs
    place: torch.Tensor
    inside: torch.Tensor
    strength: torch.Tensor
    preferred: torch.Tensor
    rating: torch.Tensor
    played: torch.Tensor
    context: torch.Tensor | None

    @property
    def distinct(self) -> int:
        return len(self.steps["action"])


def cropped(pairs: TensorObs) -> TensorObs:
    """The same without steps that are beyond the end of all segments."""
    longest = int(pairs[PLAYED].max())
    sizes = pairs["action"].shape[:3]
    return {name: column[:, :, :longest] if column.shape[:3] == sizes else column for name, column in pairs.items()}


def within(pairs: TensorObs) -> torch.Tensor:
    """Which steps are within their segments, float32 [B, 2, W]."""
    played, steps = pairs[PLAYED], pairs["action"].shape[2]
    return (torch.arange(steps, device=played.device) < played.unsqueeze(-1)).float()
