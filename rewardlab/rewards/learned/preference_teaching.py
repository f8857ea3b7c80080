"""Who answers the questions of reward=preference: the made-up teachers."""

from __future__ import annotations

import torch

from rewardlab.maths.teachers import Answers, Habits, by_context, by_return, by_success, lexicographic, mistaken
from rewardlab.parts.buffers.segments import LENGTH, PLAYED
from rewardlab.parts.models.standardised_inputs import TERMS
from rewardlab.parts.moments.factor_scale import FactorScale
from rewardlab.rewards.learned.preference_options import Options
from rewardlab.types import State, TensorObs

CONTEXTS = "contexts"
"""The column of how much a step speaks for each criterion."""


class Teacher:
    """Answers by `reward.comparator`, with the errors that the options say.

    Args:
        terms: how many numbers of a step there are.
    """

    def __init__(self, options: Options, terms: int, generator: torch.Generator) -> None:
        self._options, self._generator = options, generator
        self._habits = Habits(options.beta, options.myopic, options.skip, options.equal)
        self.factors = FactorScale(terms)
        self._terms = terms

    def watch(self, steps: TensorObs) -> None:
        """Take steps [B] into the scale of the terms."""
        if self._terms:
            self.factors.add(steps[TERMS])

    def answers(self, asked: TensorObs, mean: float) -> Answers:
        """Of pairs of segments, as `Segments.pairs` gives them.

        Args:
            mean: of the task's reward, over all steps that segments are drawn from.
        """
        return self.erring(self.right_answers(asked, mean))

    def erring(self, answers: Answers) -> Answers:
        """The same with a share of mistakes."""
        return mistaken(answers, self._options.mistake, self._generator)

    def right_answers(self, asked: TensorObs, mean: float) -> Answers:
        """The same without mistakes."""
        comparator = self._options.comparator
        if comparator == "success":
            return by_success(asked["success"])
        if comparator == "lexicographic":
            means = asked[TERMS].sum(dim=2) / asked[PLAYED].unsqueeze(-1)
            return lexicographic(means, self.factors.scale.to(means.device), self._options.margin)
        if comparator == "context":
            return by_context(asked[TERMS].sum(dim=2), asked[CONTEXTS].sum(dim=(1, 2)))
        average = mean * asked[PLAYED].float().mean(dim=1)
        return by_return(asked["task_reward"], asked[LENGTH], average, self._habits, self._generator)

    def state_dict(self) -> State:
        return self.factors.state_dict()

    def load_state_dict(self, state: State) -> None:
        self.factors.load_state_dict(state)
