"""Preference: a reward learned from which of two pieces of play is the better one.

Paper: Christiano et al. 2017, Deep reinforcement learning from human preferences; Lee et al. 2021, PEBBLE
Assumes: comparisons

Now and then a made-up teacher compares pairs of segments from the latest episodes. An ensemble learns a reward of
single steps, under which P(first is better) = sigmoid(D), D being the difference of the segments' sums (Bradley and
Terry). The task's reward counts nothing by default: only the teacher sees it, and the column explore/preference_rank,
which is the rank correlation of both over segments. With agent.bonus=replayed steps are paid by the model of now, as in
PEBBLE, which pays its whole buffer anew after each fit; with agent.bonus=collected what was paid once stays, as in
HERON.

Comparisons do not say where zero is. Where episodes end early that matters: a reward above 0 throughout pays for not
ending. So what is paid on average is subtracted, as Christiano et al. do (section 2.2.1), but no scale is set.

- comparator=return: sums of the task's reward, and how a teacher errs: beta, myopic, mistake, skip, equal (Lee et al.
  2021, B-Pref). Two equal sums are as good.
- comparator=lexicographic: the first of `terms` in which two differ clearly decides (Bukharin et al. 2023, HERON).
- comparator=success: an episode that succeeded beats one that did not.
- labels=FILE: people's answers, from `rewardlab label`, all at once before the first fit, which is the only one.

After PEBBLE (B-Pref's code): three networks, tanh, the first questions uniform and later those with most disagreement
among ten times as many, batches of 128, up to 200 passes or until 97 % are right, the last 100 episodes. Different
here: smaller networks (64, 64 for 256, 256, 256), which also see the next observation and standardised floats, and
codes of a grid as numbers;
segments may end where episodes end; both of a pair are shortened alike where an episode is shorter; no pre-training by
entropy and so no new critic after it; a fit goes on in pieces between rollouts, so that none stops the learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardlab.datasets.comparisons import Comparisons, read_comparisons
from rewardlab.maths.preference_losses import LOSSES, agreement, preference_loss, rating_loss
from rewardlab.maths.queries import QUERIES, disagreement, farthest_first, uncertainty
from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.teachers import Answers, Habits, by_return, by_success, lexicographic, mistaken
from rewardlab.parts import step_terms
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.replay import Replay, columns_of, steps_of
from rewardlab.parts.buffers.segments import LENGTH, Segments
from rewardlab.parts.models.reward_model import AGGREGATES, OUTPUTS, Fitting, RewardModel, aggregated
from rewardlab.parts.models.standardised_inputs import FEATURES, TERMS, StandardisedInputs, entries
from rewardlab.parts.moments.factor_scale import FactorScale
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 1

COMPARATORS = ("return", "lexicographic", "success")
_PIECE = 1e10  # multiplications of a piece of a fit: about a second of one core
_TOLD = 100  # pairs that preference_rank is of
_PAIRS_AT_ONCE = 64  # that are judged in one pass


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    comparator: str = option("return", "what the teacher compares", choices=COMPARATORS)
    terms: list[str] = option([], "numbers of a step, each an expression; for lexicographic the most important first")
    labels: str | None = option(
        None, "answers of people in place of the teacher: a labels.csv of rewardlab label", neutral=None, dataset=True
    )
    features: str = option("observation", "what the model sees of a step", choices=FEATURES)
    feedback: int | None = option(500, "questions in all; null: without end", above=0)
    feedback_start: int = option(2000, "frames before the first of them", minimum=0)
    feedback_every: int = option(2000, "frames between rounds of questions; 0: one round only", minimum=0)
    queries: int = option(50, "questions of a round", above=0, maximum=100_000)
    query: str = option("disagreement", "which pairs are asked about, from the second round on", choices=QUERIES)
    candidates: int = option(10, "pairs that each of them is chosen among", above=0, maximum=1000)
    segment: int = option(50, "steps of a segment, at most", above=0, maximum=10_000)
    episodes: int = option(100, "the latest episodes, which segments are of", minimum=2)
    comparisons: int = option(2000, "the latest answers, which the model learns from", above=0, maximum=10**6)
    beta: float | None = option(None, "return: answers are drawn by sigmoid(beta D); null: the greater sum", above=0)
    myopic: float = option(1.0, "return: a step counts this to the power of the steps after it", above=0, maximum=1)
    skip: float = option(0.0, "return: no answer unless one sum is above this share of the average", minimum=0)
    equal: float = option(0.0, "return: as good within this share of the average", minimum=0)
    mistake: float = option(0.0, "share of answers that are turned round", minimum=0, maximum=1)
    margin: float = option(1.0, "lexicographic: standard deviations that decide; loss=margin: its factor", minimum=0)
    loss: str = option("bt", "what the model learns by", choices=LOSSES)
    members: int = option(3, "networks of the ensemble", above=0, maximum=100)
    agg: str = option("mean", "what is paid of their rewards", choices=AGGREGATES)
    hidden: list[int] = option([64, 64], "widths of their layers")
    output: str = option("tanh", "whether rewards are kept within (-1, 1)", choices=OUTPUTS)
    centre: bool = option(
        True, "subtract what is paid on average over the latest episodes, as it is while a fit goes on"
    )
    learning_rate: float = option(3e-4, "Adam's step size", above=0)
    epochs: int = option(200, "passes over the answers after each round, at most", above=0)
    accuracy: float = option(0.97, "a fit ends when more answers than this share are right", minimum=0, maximum=1)
    batch_size: int = option(128, "comparisons of a gradient step, of each network its own", above=0)

    def privileged(self) -> tuple[str, ...]:
        return step_terms.facts_of(self.terms)

    def validate(self) -> None:
        step_terms.check("terms", self.terms)
        if not self.hidden or not all(1 <= width <= 4096 for width in self.hidden):
            raise ValueError(f"hidden={list(self.hidden)}: one width at least, from 1 to 4096")
        if self.labels is not None and (self.comparator != "return" or self.loss == "regression"):
            raise ValueError("labels=FILE: people answer, without ratings; leave out comparator and loss=regression")
        if self.labels is not None and self.privileged():
            raise ValueError(f"labels=FILE: holds no full-state facts, and terms read {self.privileged()[0]}")
        if self.comparator == "lexicographic" and not self.terms:
            raise ValueError("comparator=lexicographic: needs terms, the most important first, as in ['vector[0]']")
        if self.comparator != "return" and self.loss == "regression":
            raise ValueError("loss=regression: learns ratings, which only comparator=return gives")
        if self.loss == "regression" and self.output != "linear":
            raise ValueError("loss=regression: ratings go beyond what output=tanh can say; set output=linear")
        if self.members == 1 and self.query == "disagreement":
            raise ValueError("members=1: one network agrees with itself; set query=uniform, entropy or kcenter")


class Scheme(BonusScheme):
    """A rollout is paid, then kept; where a round is due, questions are asked; a fit that is due goes on a little."""

    metrics = (
        "loss/preference",
        "explore/preference_accuracy",
        "explore/preference_asked",
        "explore/preference_answered",
        "explore/preference_steps",
        "explore/preference_rank",
    )
    whole_episodes = True
    pays_anew = True
    stateful = ("inputs", "model", "fitting", "comparisons", "segments", "assembler", "factors", "strengths", "ratings")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the terms or the features do not fit the environment.
        """
        super().__init__(config, context)
        name, spec, device = config.name or config.plugin, context.spec, context.device
        self.config, self.assumes = config, self.assumes | {"comparisons"}
        self.terms = step_terms.StepTerms("reward.terms", config.terms, spec)
        self.inputs = StandardisedInputs(name, spec, config.features, len(self.terms)).to(device)
        self.pays_anew = not (self.terms.reads_ends and config.features != "observation")
        size, hidden = self.inputs.size, config.hidden
        self.model = RewardModel(size, hidden, config.members, config.output, context.generator).to(device)
        self.fitting = Fitting(self.model, config.learning_rate, config.accuracy, _PIECE)
        kept = config.comparisons if config.feedback is None else min(config.comparisons, config.feedback)
        self._people = None if config.labels is None else read_comparisons("reward.labels", config.labels, spec)
        self.comparisons = Replay(kept if self._people is None else len(self._people), device)
        self._segment = config.segment if self._people is None else self._people.segment
        self.segments = Segments(config.episodes, self._segment)
        self.assembler = EpisodeAssembler(context.num_envs)
        self.factors = FactorScale(len(self.terms))
        self.strengths, self.ratings = RunningMoments(), RunningMoments()
        self._habits = Habits(config.beta, config.myopic, config.skip, config.equal)
        self._frames = self._asked = self._answered = 0
        self._offset = 0.0
        self._due: int | None = config.feedback_start  # frames at which the next round is; None: there is none

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return self._paid(self._columns(rollout))

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        facts = {name.removeprefix(FACT): fact for name, fact in steps.extra.items() if name.startswith(FACT)}
        sees = self.config.features != "observation"
        none = torch.zeros(len(steps.action), 0, device=steps.action.device)
        terms = self.terms(steps.next_obs, facts, steps.action, None) if sees else none
        return {"intrinsic": self._paid(self.inputs.columns(steps.obs, steps.next_obs, steps.action, terms))}

    def update(self, rollout: Rollout) -> Metrics:
        self._keep(rollout)
        told: Metrics = {}
        if self._people is not None:
            if self._answered == 0:
                self._hear(self._people)
        elif self._due is not None and self._frames >= self._due and not self.fitting.going and self._can_ask():
            told |= self._ask()
        if self.fitting.going:
            told |= self._learn()
        counts = {"asked": self._asked, "answered": self._answered}
        return told | {f"explore/preference_{name}": float(count) for name, count in counts.items()}

    def state_dict(self) -> State:
        counts = {"frames": self._frames, "asked": self._asked, "answered": self._answered, "due": self._due}
        return super().state_dict() | {"counts": counts, "offset": self._offset}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        counts = state["counts"]
        self._frames, self._asked, self._answered = counts["frames"], counts["asked"], counts["answered"]
        self._due, self._offset = counts["due"], state["offset"]

    def _columns(self, rollout: Rollout) -> TensorObs:
        terms = self.terms(rollout.next_obs, rollout.privileged, rollout.action, rollout.terminated)
        return self.inputs.columns(rollout.obs, rollout.next_obs, rollout.action, terms)

    def _paid(self, columns: TensorObs) -> torch.Tensor:
        inputs = self.inputs(columns)
        return aggregated(self.model(inputs.flatten(0, -2)), self.config.agg).view(inputs.shape[:-1]) - self._offset

    def _keep(self, rollout: Rollout) -> None:
        """Take what was played into the scales and the episodes."""
        columns = self._columns(rollout)
        self._frames += rollout.task_reward.numel()
        steps = {name: column.flatten(0, 1) for name, column in columns.items()}
        self.inputs.add(steps)
        if len(self.terms):
            self.factors.add(steps[TERMS])
        # The assembler is given what is kept of a step in the place of its observation.
        for episode in self.assembler.add(replace(rollout, obs=columns)):
            self.segments.add(episode.obs | {"task_reward": episode.task_reward}, episode.success)

    def _can_ask(self) -> bool:
        return all(self.segments.outcomes) if self.config.comparator == "success" else len(self.segments) > 1

    def _ask(self) -> Metrics:
        """One round: questions, the teacher's answers, and a fit that begins."""
        config, generator = self.config, self.context.generator
        left = config.queries if config.feedback is None else min(config.queries, config.feedback - self._asked)
        asked = self._questions(left)
        answers = mistaken(self._answers(asked), config.mistake, generator)
        self._asked += left
        over = config.feedback_every == 0 or (config.feedback is not None and self._asked >= config.feedback)
        self._due = None if over else self._frames + config.feedback_every
        self._take_in(asked, answers)
        return {"explore/preference_steps": float(asked[LENGTH].float().mean())}

    def _hear(self, people: Comparisons) -> None:
        """Take in what people answered."""
        device = self.context.device
        columns = {name: column.to(device) for name, column in people.columns.items()}
        obs, next_obs = (entries(columns, part) for part in ("obs.", "next_obs."))
        terms = self.terms(next_obs, {}, columns["action"], columns["terminated"])
        steps = self.inputs.columns(obs, next_obs, columns["action"], terms)
        within = _within(columns).expand(-1, 2, -1) > 0
        self.inputs.add({name: column[within] for name, column in steps.items()})
        preferred, strength = people.preferred.to(device), people.strength.to(device)
        answers = Answers(preferred, strength, torch.ones_like(preferred, dtype=torch.bool))
        asked = steps | {name: columns[name] for name in (LENGTH, "task_reward")}
        self._take_in(asked, mistaken(answers, self.config.mistake, self.context.generator))

    def _answers(self, asked: TensorObs) -> Answers:
        comparator, length = self.config.comparator, asked[LENGTH]
        if comparator == "success":
            return by_success(asked["success"])
        if comparator == "lexicographic":
            means = asked[TERMS].sum(dim=2) / length.view(-1, 1, 1)
            return lexicographic(means, self.factors.scale.to(means.device), self.config.margin)
        average = self.segments.mean("task_reward") * length
        return by_return(asked["task_reward"], length, average, self._habits, self.context.generator)

    def _take_in(self, asked: TensorObs, answers: Answers) -> None:
        """Keep what was answered, and begin to fit."""
        given = answers.given.nonzero().squeeze(-1)
        if not len(given):
            return
        self._answered += len(given)
        kept = {name: asked[name] for name in (*self.inputs.names, LENGTH)}
        kept |= {"preferred": answers.preferred, "strength": answers.strength}
        kept |= {"rating": asked["task_reward"].sum(dim=2) / asked[LENGTH].unsqueeze(1)}
        kept = {name: column[given.to(column.device)] for name, column in kept.items()}
        self.strengths.add(kept["strength"])
        self.ratings.add(kept["rating"].flatten())
        self.comparisons.add(steps_of(kept))
        self.inputs.settle()
        self.fitting.begin(self.config.epochs * self._steps_of_a_pass)

    def _questions(self, count: int) -> TensorObs:
        """Columns of pairs, as `Segments.pairs` gives them."""
        config, rng = self.config, self.context.numpy_rng
        draw = self.segments.unlike_pairs if config.comparator == "success" else self.segments.pairs
        if config.query == "uniform" or not len(self.comparisons):
            return draw(count, rng)
        found = draw(count * config.candidates, rng)
        if config.query == "kcenter":
            known = columns_of(self.comparisons.at(np.arange(len(self.comparisons))))
            chosen = farthest_first(self._summary(found), self._summary(known), count)
        else:
            unsure = disagreement if config.query == "disagreement" else uncertainty
            chosen = unsure(self._judged(found)).topk(count).indices
        return {name: column[chosen.to(column.device)] for name, column in found.items()}

    @torch.no_grad()
    def _summary(self, pairs: TensorObs) -> torch.Tensor:
        """The mean inputs of both segments, [B, 2 * D]."""
        inputs: torch.Tensor = self.inputs(pairs) * _within(pairs).unsqueeze(-1)
        return (inputs.sum(dim=2) / pairs[LENGTH].view(-1, 1, 1)).flatten(1)

    @torch.no_grad()
    def _judged(self, pairs: TensorObs) -> torch.Tensor:
        """What each network makes of pairs: the difference of their sums, [E, B]."""
        sums = torch.cat([rewards.sum(dim=-1) for rewards in self._rewards(pairs)], dim=1)
        return sums[..., 0] - sums[..., 1]

    def _rewards(self, pairs: TensorObs) -> Iterator[torch.Tensor]:
        """Of all networks, 0 beyond the end of segments, [E, b, 2, w]: of some pairs after the other."""
        for start in range(0, len(pairs[LENGTH]), _PAIRS_AT_ONCE):
            part = _cropped({name: column[start : start + _PAIRS_AT_ONCE] for name, column in pairs.items()})
            inputs = self.inputs(part)
            yield self.model(inputs.flatten(0, -2)).view(-1, *inputs.shape[:-1]) * _within(part)

    def _learn(self) -> Metrics:
        rows = 2 * self._segment * self._batch
        right: list[float] = []
        losses = self.fitting.go_on(rows, self._steps_of_a_pass, lambda: self._step(right))
        told = {"loss/preference": float(np.mean(losses))}
        if right:
            told["explore/preference_accuracy"] = float(np.mean(right))
        if len(self.segments) > 1:
            told |= self._told()
        return told

    @property
    def _batch(self) -> int:
        """Comparisons of a gradient step: fewer than are wanted where the model is so large that a step would last."""
        most = self.fitting.rows_at_once // (2 * self._segment)
        return max(1, min(self.config.batch_size, len(self.comparisons), most))

    @property
    def _steps_of_a_pass(self) -> int:
        return -(-len(self.comparisons) // self._batch)

    def _step(self, told: list[float]) -> tuple[torch.Tensor, float, float]:
        """The loss of a minibatch, how many were right, and of how many that have a better one."""
        config, members, count = self.config, self.config.members, self._batch
        places = self.context.numpy_rng.integers(len(self.comparisons), size=members * count)
        pairs = _cropped(columns_of(self.comparisons.at(places)))
        inputs = self.inputs(pairs)
        rewards = self.model(inputs.view(members, -1, inputs.shape[-1])).view(members, count, 2, -1)
        sums = (rewards * _within(pairs).view(members, count, 1, -1)).sum(dim=-1)
        difference, preferred = sums[..., 0] - sums[..., 1], pairs["preferred"].view(members, count)
        if config.loss == "regression":
            ratings = (pairs["rating"] - self.ratings.mean) / self.ratings.std
            means = sums / pairs[LENGTH].view(members, count, 1)
            loss = rating_loss(means.flatten(1), ratings.view(members, -1))
        else:
            strength = pairs["strength"].view(members, count) / self.strengths.mean.clamp(min=1e-12)
            strength = strength * config.margin if config.loss == "margin" else strength
            loss = preference_loss(difference, preferred, strength, config.loss)
        right, seen = float(agreement(difference.detach(), preferred).sum()), float((preferred != 0.5).sum())
        if seen:
            told.append(right / seen)
        return loss.sum(), right, seen

    @torch.no_grad()
    def _told(self) -> Metrics:
        """What the model as it is now makes of segments, against the task; and what it pays on average."""
        pairs = self.segments.pairs(_TOLD, self.context.numpy_rng)
        learned = torch.cat([aggregated(part, self.config.agg).sum(dim=-1) for part in self._rewards(pairs)])
        if self.config.centre:
            self._offset = float(learned.sum() / (2 * pairs[LENGTH].sum()))
        if self.fitting.going:
            return {}
        true = pairs["task_reward"].sum(dim=-1).flatten().cpu().numpy()
        found = rank_correlation(learned.flatten().cpu().numpy(), true)
        return {} if np.isnan(found) else {"explore/preference_rank": found}


def _cropped(pairs: TensorObs) -> TensorObs:
    """The same without steps that are beyond the end of all segments."""
    longest = int(pairs[LENGTH].max())
    return {name: column[:, :, :longest] if column.dim() > 2 else column for name, column in pairs.items()}


def _within(pairs: TensorObs) -> torch.Tensor:
    """Which steps are within their segments, float32 [B, 1, W]."""
    length, steps = pairs[LENGTH], pairs["action"].shape[2]
    return (torch.arange(steps, device=length.device) < length.view(-1, 1, 1)).float()
