"""A number for a caption, by a network over its letters: what labels or comparisons of captions teach.

Architecture, after Klissarov et al. 2024 (arXiv:2410.23022), whose classifier reads characters by convolutions: an
embedding of 16 for each letter, 64 filters over five letters in steps of two, their maximum over the caption, two
layers of 512 with dropout 0.1. The filters' number and steps are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from rewardlab.maths.captions import characters
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.init import seeded_conv2d, seeded_linear
from rewardlab.types import State

LONGEST = 320  # letters of a caption that are read
_LETTERS, _EMBEDDING, _FILTERS, _REACH, _STRIDE, _HIDDEN = 128, 16, 64, 5, 2, 512
_DROPOUT = 0.1
_AT_ONCE = 512  # captions


class CaptionModel:
    """One number for each caption, and the learning of it.

    Args:
        clip: the gradient is scaled down to this norm; None: never.
    """

    def __init__(self, learning_rate: float, clip: float | None, generator: torch.Generator) -> None:
        self._network, self._clip, self._generator = _Network(generator), clip, generator
        self._optimiser = Adam(self._network.parameters(), learning_rate)

    @torch.no_grad()
    def score(self, texts: Sequence[str]) -> torch.Tensor:
        """What the network makes of captions, float32 [B]."""
        parts = [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]
        return torch.cat([torch.zeros(0), *(self._network(_letters(part), None) for part in parts)])

    @torch.enable_grad()
    def learn_labels(self, texts: Sequence[str], labels: torch.Tensor) -> float:
        """One step on the cross-entropy of labels [B], 0 or 1; the loss."""
        logits = self._seen(texts)
        return self._step(nn.functional.binary_cross_entropy_with_logits(logits, labels))

    @torch.enable_grad()
    def learn_pairs(self, first: Sequence[str], second: Sequence[str], preferred: torch.Tensor) -> float:
        """One step on the cross-entropy of softmax(r_1, r_2); the loss.

        Args:
            preferred: float32 [B], how much the first is preferred: 1, 0, or 0.5 where neither is.
        """
        one, other = self._seen([*first, *second]).chunk(2)
        return self._step(nn.functional.binary_cross_entropy_with_logits(one - other, preferred))

    def pair_loss(self, first: Sequence[str], second: Sequence[str], preferred: torch.Tensor) -> float:
        """The loss of `learn_pairs`, of which nothing is learned."""
        apart = self.score(first) - self.score(second)
        return float(nn.functional.binary_cross_entropy_with_logits(apart, preferred))

    def state_dict(self) -> State:
        return {"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _seen(self, texts: Sequence[str]) -> torch.Tensor:
        """Scores [B] to learn from; each distinct caption passes once, with the same dropout wherever it stands."""
        distinct = {text: at for at, text in enumerate(dict.fromkeys(texts))}
        place = torch.tensor([distinct[text] for text in texts])
        scores: torch.Tensor = self._network(_letters(distinct), self._generator)[place]
        return scores

    def _step(self, loss: torch.Tensor) -> float:
        gradient = self._optimiser.gradient(loss)
        if self._clip is not None:
            clip_norm(gradient, self._clip)
        self._optimiser.step(gradient)
        return float(loss.detach())


class _Network(nn.Module):
    """Letters int64 [B, L] -> float32 [B]."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(_LETTERS, _EMBEDDING, generator=generator))
        self.filters = seeded_conv2d(_EMBEDDING, _FILTERS, (1, _REACH), generator, stride=_STRIDE)
        self.layers = nn.ModuleList(
            [seeded_linear(_FILTERS, _HIDDEN, generator), seeded_linear(_HIDDEN, _HIDDEN, generator)]
        )
        self.last = seeded_linear(_HIDDEN, 1, generator, gain=1.0)

    def forward(self, letters: torch.Tensor, dropout: torch.Generator | None) -> torch.Tensor:
        seen = self.embedding[letters].movedim(2, 1).unsqueeze(2)
        found = torch.relu(self.filters(seen)).flatten(2)
        # What begins beyond a caption's end is there or not by the longest caption beside it.
        begins = torch.arange(found.shape[2]) * _STRIDE
        features = (found * (begins < (letters != 0).sum(dim=1, keepdim=True)).unsqueeze(1)).amax(dim=2)
        for layer in self.layers:
            features = torch.relu(layer(features))
            if dropout is not None:
                kept = torch.rand(features.shape, generator=dropout) >= _DROPOUT
                features = features * kept / (1.0 - _DROPOUT)
        scores: torch.Tensor = self.last(features).squeeze(1)
        return scores


def _letters(texts: Iterable[str]) -> torch.Tensor:
    """Letters [B, L], as long as the longest caption and a window from its last letter on need."""
    held = list(texts)
    longest = min(LONGEST, max((len(text.encode(errors="replace")) for text in held), default=0))
    rows = characters(held, LONGEST)[:, :longest]
    return nn.functional.pad(rows, (0, _REACH)).clamp(max=_LETTERS - 1)
