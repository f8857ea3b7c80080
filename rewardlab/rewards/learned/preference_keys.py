"""Looks for short pieces of play that fool the model of reward=preference, and lets it learn that they do.

Source: Zhao et al. 2025, One token to fool LLM-as-a-judge (arXiv:2507.08794): a word or an opening line passes a judge
as an answer, and truncated answers, labelled as wrong, mend that. Here a piece of at most three steps is held against
how episodes that succeeded ended.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rewardlab.maths.teachers import Answers
from rewardlab.parts.buffers.segments import Segments
from rewardlab.rewards.learned.preference_learning import Learner
from rewardlab.types import TensorObs

LONGEST = 3  # steps of a piece
_SEARCHED = 20  # pieces for each that is wanted


def master_keys(
    segments: Segments, learner: Learner, count: int, rng: np.random.Generator
) -> tuple[TensorObs, Answers, float] | None:
    """At most `count` pairs of a success and a piece that is taken for more, the furthest first; the answers, which
    are that successes are better; and the share of all pieces looked at that are taken for more.

    None where nothing succeeded, or where the model has not learned yet.
    """
    pairs = segments.ends_and_pieces(_SEARCHED * count, LONGEST, rng) if len(learner.comparisons) else None
    if pairs is None:
        return None
    worth = learner.worth(pairs)
    ahead = worth[:, 1] - worth[:, 0]
    chosen = ahead.topk(count).indices
    chosen = chosen[ahead[chosen] > 0]
    found = {name: column[chosen.to(column.device)] for name, column in pairs.items()}
    ones = torch.ones(len(chosen), device=ahead.device)
    answers = Answers(ones, ones * float(learner.strengths.mean), ones > 0)
    return found, answers, float((ahead > 0).float().mean())


def together(asked: TensorObs, answers: Answers, more: TensorObs, told: Answers) -> tuple[TensorObs, Answers]:
    """Two lots of pairs and their answers as one."""
    columns = {name: torch.cat([column, more[name]]) for name, column in asked.items()}
    given = ((name, part) for name, part in vars(answers).items() if part is not None)
    parts = {name: torch.cat([part, getattr(told, name).to(part)]) for name, part in given}
    return columns, replace(answers, **parts)
