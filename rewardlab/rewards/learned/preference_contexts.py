"""What learns in reward=preference where pairs are compared by one of several criteria: reward.model=context.

Source: Pitis et al. 2024, Improving context-aware preference modeling for language models (arXiv:2407.14916; abstract
only): a comparison is resolved in two steps, first its context, then the preference in it, and the context is worth
asking for. P(first) = sum_z p(z | pair) P(first | z). Here p(z | pair) is the softmax of the mean, over the steps of
both segments, of what a network says of each step, so that a single step can be paid too: sum_z p(z | step) r_z.
"""

from __future__ import annotations

import torch

from rewardlab.maths.preference_losses import context_errors, context_loss
from rewardlab.maths.teachers import Answers
from rewardlab.parts.models.context_rewards import ContextRewards
from rewardlab.rewards.learned.preference_learning import Known, Learner, cropped, within
from rewardlab.types import Metrics, TensorObs

_CONTEXT = "context"
ERRORS = tuple(f"explore/preference_{name}_error" for name in ("context", "criterion", "answer"))


class ContextLearner(Learner):
    """Of a share of the answers it is told by which criterion the pair was compared."""

    model: ContextRewards

    def errors(self, pairs: TensorObs, answers: Answers) -> Metrics:
        """How wrong it is about pairs, see `context_errors`; of the teacher who knows them all."""
        assert answers.context is not None
        part = cropped(pairs)
        inside = within(part)
        with torch.no_grad():
            steps = self.inputs({name: part[name].flatten(0, 2) for name in self.inputs.names})
            difference, logits = _compared(*self.model.by_context(steps), inside.expand(self.model.members, -1, -1, -1))
        found = context_errors(difference, logits, answers.preferred, answers.context)
        return dict(zip(ERRORS, found.tolist(), strict=True))

    def _new_model(self) -> ContextRewards:
        options = self._options
        shape = self.inputs.size, options.hidden, options.members, options.output
        return ContextRewards(*shape, self._generator, len(options.contexts))

    def _columns_of(self, asked: TensorObs, answers: Answers) -> TensorObs:
        assert answers.context is not None
        told = torch.rand(len(answers.preferred), generator=self._generator) < self._options.context_told
        context = torch.where(told.to(answers.context.device), answers.context, -1)
        return super()._columns_of(asked, answers) | {_CONTEXT: context}

    def _loss(self, known: Known, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
        assert known.context is not None
        shown, places = self._shown(known, chosen)
        members = self.model.members
        rewards, logits = (
            each.gather(1, places.unsqueeze(-1).expand(-1, -1, each.shape[-1])) for each in self.model.by_context(shown)
        )
        difference, logits = _compared(rewards, logits, known.inside[chosen].view(members, -1, *known.place.shape[1:]))
        preferred, context = (each[chosen].view(members, -1) for each in (known.preferred, known.context))
        loss = context_loss(difference, logits, preferred, context)
        first = (logits.softmax(dim=-1) * torch.sigmoid(difference)).sum(dim=-1)
        return loss, first - 0.5, shown.shape[1]


def _compared(rewards: torch.Tensor, logits: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """D by each criterion and the logits of p(z | pair), [E, B, K] each, of steps [E, B * 2 * w, K].

    Args:
        inside: float32 [E, B, 2, w], 1 where a step is within its segment.
    """
    weight = inside.unsqueeze(-1)
    rewards, logits = (each.view(*inside.shape, -1) * weight for each in (rewards, logits))
    sums = rewards.sum(dim=3)
    return sums[:, :, 0] - sums[:, :, 1], logits.sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
