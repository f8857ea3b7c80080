"""Preference: a reward learned from which of two pieces of play is the better one.

Paper: Christiano et al. 2017, Deep reinforcement learning from human preferences; Lee et al. 2021, PEBBLE
Assumes: comparisons

Now and then a made-up teacher compares pairs of segments from the latest episodes. An ensemble learns a reward of
single steps, under which P(first is better) = sigmoid(D), D being the difference of the segments' sums (Bradley and
Terry). The task's reward counts nothing by default: only the teacher sees it, and the column explore/preference_rank,
which is the rank correlation of both over segments. With agent.bonus=replayed steps are paid by the model of now, as in
PEBBLE, which pays its whole buffer anew after each fit; with agent.bonus=collected what was paid once stays, as in
HERON.

Comparisons of pieces that last equally long do not say where zero is, and where episodes end early that matters: a
reward above 0 throughout pays for not ending. So a piece may last beyond a termination, where the model pays nothing,
as the task does (absorbing=true): the answers then say what ending is worth. With absorbing=false pieces end where
episodes do; centre=true subtracts what is paid on average, as Christiano et al. do (section 2.2.1), whose episodes all
last equally long. No scale is set.

- comparator=return: sums of the task's reward, and how a teacher errs: beta, myopic, mistake, skip, equal (Lee et al.
  2021, B-Pref). Two equal sums are as good.
- comparator=lexicographic: the first of `terms` in which two differ clearly decides (Bukharin et al. 2023, HERON).
- comparator=success: an episode that succeeded beats one that did not.
- comparator=context: one of `terms` decides, which of them goes by the situation (`contexts`). model=context learns a
  reward by each, and which of them counts (Pitis et al. 2024), see `preference_contexts.py`.
- probe: expressions; how well a ridge regression reads them off the features after each fit (R^2, a column each).
- labels=FILE: people's answers, from `rewardlab label`, all at once before the first fit, which is the only one.

After PEBBLE (B-Pref's code): three networks, tanh, the first questions uniform and later those with most disagreement
among ten times as many, batches of 128, up to 200 passes or until 97 % are right, the last 100 episodes. Different
here: smaller networks (64, 64 for 256, 256, 256), which also see the next observation and standardised floats, and
codes of a grid as numbers; both of a pair are shortened alike where a limit of steps cuts one; rounds are spread
over the budget; explore=5 is the pre-training by entropy, of the latest 10,000 states, and leaves the critic as it is;
a fit goes on in pieces between rollouts, so that none stops the learner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardlab.datasets.comparisons import Comparisons, read_comparisons
from rewardlab.maths.probes import probed
from rewardlab.maths.queries import disagreement, farthest_first, uncertainty
from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.teachers import Answers
from rewardlab.networks.flat import encode_flat
from rewardlab.parts import step_terms
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.segments import LENGTH, PLAYED, Segments
from rewardlab.parts.memories.state_entropy import StateEntropy
from rewardlab.parts.models.standardised_inputs import StandardisedInputs, entries
from rewardlab.parts.patterns import Patterns
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BonusScheme
from rewardlab.rewards.learned.preference_contexts import ERRORS, ContextLearner
from rewardlab.rewards.learned.preference_keys import master_keys, together
from rewardlab.rewards.learned.preference_learning import Learner, within
from rewardlab.rewards.learned.preference_options import Options
from rewardlab.rewards.learned.preference_teaching import CONTEXTS, Teacher
from rewardlab.types import BuildContext, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 2

_STATES = 10_000  # the latest, that distances are taken to before the first answers
_PROBE = "explore/preference_probe"
_FOOLED = "explore/preference_fooled"
_TOLD = 100  # pairs that preference_rank is of


@dataclass
class Config(Options): ...


class Scheme(BonusScheme):
    """A rollout is paid, then kept; where a round is due, questions are asked; a fit that is due goes on a little."""

    metrics: tuple[str, ...] = (
        "loss/preference",
        "explore/preference_accuracy",
        "explore/preference_asked",
        "explore/preference_answered",
        "explore/preference_steps",
        "explore/preference_rank",
    )
    models_task = True
    whole_episodes = True
    pays_anew = True
    stateful = ("learner", "segments", "assembler", "teacher", "entropy")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the terms or the features do not fit the environment.
        """
        super().__init__(config, context)
        name, spec = config.name or config.plugin, context.spec
        self.config, self.assumes = config, self.assumes | {"comparisons"}
        self.terms = step_terms.StepTerms("reward.terms", config.terms, spec)
        self.probe = step_terms.StepTerms("reward.probe", config.probe, spec)
        self.contexts = step_terms.StepTerms("reward.contexts", config.contexts, spec)
        self.metrics = (*self.metrics, *(f"{_PROBE}_{index}" for index in range(len(self.probe))))
        self.patterns = Patterns("reward.patterns", config.patterns, config.pattern_weight, config.pattern_below, spec)
        self.inputs = StandardisedInputs(name, spec, config.features, len(self.terms)).to(context.device)
        sees_ends = self.terms.reads_ends and config.features != "observation"
        self.pays_anew = not (sees_ends or self.patterns.reads_ends)
        if config.master_key:
            self.metrics = (*self.metrics, _FOOLED)
        endless = config.feedback is None or config.master_key > 0  # what master_key finds comes beside the answers
        kept = config.comparisons if endless else min(config.comparisons, config.feedback or 0)
        self._people = None if config.labels is None else read_comparisons("reward.labels", config.labels, spec)
        segment, kept = (config.segment, kept) if self._people is None else (self._people.segment, len(self._people))
        in_contexts = config.model == "context"
        self.metrics += ERRORS if in_contexts else ()
        self.learner = (ContextLearner if in_contexts else Learner)(config, self.inputs, segment, kept, context)
        self.segments = Segments(config.episodes, segment, config.absorbing)
        self.assembler = EpisodeAssembler(context.num_envs)
        self.teacher = Teacher(config, len(self.terms), context.generator)
        self.entropy = StateEntropy(config.explore, _STATES, context.device)
        self._frames = self._asked = self._answered = 0
        self._offset = 0.0
        self._due: int | None = config.feedback_start  # frames before which there is no round; None: there is none

    @property
    def _explores(self) -> bool:
        return self.config.explore > 0 and self._answered == 0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        if self._explores:
            states = encode_flat(rollout.next_obs, self.context.spec.obs)
            return self.entropy.take_in(states.flatten(0, 1)).view(rollout.task_reward.shape)
        paid = self._paid(self._columns(rollout))
        return self.patterns.added(paid, rollout.next_obs, rollout.privileged, rollout.action, rollout.terminated)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        if self._explores:
            return {"intrinsic": self.entropy.of(encode_flat(steps.next_obs, self.context.spec.obs))}
        facts = {name.removeprefix(FACT): fact for name, fact in steps.extra.items() if name.startswith(FACT)}
        sees = self.config.features != "observation"
        none = torch.zeros(len(steps.action), 0, device=steps.action.device)
        terms = self.terms(steps.next_obs, facts, steps.action, None) if sees else none
        paid = self._paid(self.inputs.columns(steps.obs, steps.next_obs, steps.action, terms))
        return {"intrinsic": self.patterns.added(paid, steps.next_obs, facts, steps.action, None)}

    def update(self, rollout: Rollout) -> Metrics:
        self._keep(rollout)
        told: Metrics = {}
        if self._people is not None:
            if self._answered == 0:
                self._hear(self._people)
        elif self._is_due(rollout.progress) and not self.learner.fitting.going and self._can_ask():
            told |= self._ask()
        if self.learner.fitting.going:
            told |= self.learner.learn()
            if len(self.segments) > 1:
                told |= self._told()
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
        return self.learner.paid(columns) - self._offset

    def _keep(self, rollout: Rollout) -> None:
        """Take what was played into the scales and the episodes."""
        columns = self._columns(rollout)
        self._frames += rollout.task_reward.numel()
        steps = {name: column.flatten(0, 1) for name, column in columns.items()}
        self.inputs.add(steps)
        self.teacher.watch(steps)
        for name, terms in ((_PROBE, self.probe), (CONTEXTS, self.contexts)):
            if len(terms):
                told = terms(rollout.next_obs, rollout.privileged, rollout.action, rollout.terminated)
                columns = columns | {name: told}
        # The assembler is given what is kept of a step in the place of its observation.
        for episode in self.assembler.add(replace(rollout, obs=columns)):
            kept = episode.obs | {"task_reward": episode.task_reward}
            self.segments.add(kept, episode.success, episode.terminated)

    def _is_due(self, progress: float) -> bool:
        config = self.config
        if self._due is None or self._frames < self._due:
            return False
        if config.feedback_every is not None or config.feedback is None:
            return True
        return progress >= self._asked / config.feedback

    def _can_ask(self) -> bool:
        return all(self.segments.outcomes) if self.config.comparator == "success" else len(self.segments) > 1

    def _ask(self) -> Metrics:
        """One round: questions, the teacher's answers, and a fit that begins."""
        config = self.config
        left = config.queries if config.feedback is None else min(config.queries, config.feedback - self._asked)
        asked = self._questions(left)
        answers = self.teacher.answers(asked, self.segments.mean("task_reward"))
        self._asked += left
        over = config.feedback_every == 0 or (config.feedback is not None and self._asked >= config.feedback)
        self._due = None if over else self._frames + (config.feedback_every or 0)
        told: Metrics = {"explore/preference_steps": float(asked[LENGTH].float().mean())}
        self._answered += int(answers.given.sum())
        if config.master_key:
            keys = master_keys(self.segments, self.learner, config.master_key, self.context.numpy_rng)
            if keys is not None:
                asked, answers = together(asked, answers, *keys[:2])
                told[_FOOLED] = keys[2]
        self.learner.take_in(asked, answers)
        return told

    def _hear(self, people: Comparisons) -> None:
        """Take in what people answered."""
        device = self.context.device
        columns = {name: column.to(device) for name, column in people.columns.items()}
        obs, next_obs = (entries(columns, part) for part in ("obs.", "next_obs."))
        terms = self.terms(next_obs, {}, columns["action"], columns["terminated"])
        steps = self.inputs.columns(obs, next_obs, columns["action"], terms)
        asked = steps | {name: columns[name] for name in (LENGTH, "task_reward")}
        asked[PLAYED] = asked[LENGTH].unsqueeze(1).expand(-1, 2)
        self.inputs.add({name: column[within(asked) > 0] for name, column in steps.items()})
        preferred, strength = people.preferred.to(device), people.strength.to(device)
        answers = Answers(preferred, strength, torch.ones_like(preferred, dtype=torch.bool))
        self._answered += self.learner.take_in(asked, self.teacher.erring(answers))

    def _questions(self, count: int) -> TensorObs:
        """Columns of pairs, as `Segments.pairs` gives them."""
        config, rng, learner = self.config, self.context.numpy_rng, self.learner
        draw = self.segments.unlike_pairs if config.comparator == "success" else self.segments.pairs
        if config.query == "uniform" or not len(learner.comparisons):
            return draw(count, rng)
        found = draw(count * config.candidates, rng)
        if config.query == "kcenter":
            chosen = farthest_first(learner.summary(found), learner.summary(learner.known()), count)
        else:
            sums = learner.sums(found)
            unsure = disagreement if config.query == "disagreement" else uncertainty
            chosen = unsure(sums[..., 0] - sums[..., 1]).topk(count).indices
        return {name: column[chosen.to(column.device)] for name, column in found.items()}

    def _told(self) -> Metrics:
        """What the model as it is now makes of segments, against the task; and what it pays on average."""
        ended = not self.learner.fitting.going
        if not (ended or self.config.centre):
            return {}
        pairs = self.segments.pairs(_TOLD, self.context.numpy_rng)
        learned = self.learner.worth(pairs)
        if self.config.centre:
            self._offset = float(learned.sum() / pairs[PLAYED].sum())
        if not ended:
            return {}
        true = pairs["task_reward"].sum(dim=-1).flatten().cpu().numpy()
        found = rank_correlation(learned.flatten().cpu().numpy(), true)
        told = {} if np.isnan(found) else {"explore/preference_rank": found}
        if isinstance(self.learner, ContextLearner):
            told |= self.learner.errors(pairs, self.teacher.right_answers(pairs, 0.0))
        return told | (self._probed(pairs) if len(self.probe) else {})

    def _probed(self, pairs: TensorObs) -> Metrics:
        """How well what is probed is told of the steps of the second half of pairs, by those of the first half."""
        halves = []
        for part in (slice(None, _TOLD // 2), slice(_TOLD // 2, None)):
            half = {name: pairs[name][part] for name in (*self.inputs.names, PLAYED, _PROBE)}
            inside = within(half) > 0
            steps = {name: half[name][inside] for name in self.inputs.names}
            halves += [self.learner.features(steps), half[_PROBE][inside]]
        found = enumerate(probed(*halves).tolist())
        return {f"{_PROBE}_{index}": score for index, score in found if not np.isnan(score)}
