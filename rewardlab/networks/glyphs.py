"""NetHack's screen: maps of glyphs, the bottom lines and the message.

Two networks. `glyphs` has the sizes of Kuettler et al. 2020, The NetHack Learning Environment (arXiv:2006.13760), as
the code of E3B has them (github.com/facebookresearch/e3b, `NetHackPolicyNet`): learned embeddings of 64, five 3x3
convolutions of 16 and at last 8 channels over the map and over the square around the hero, 64 numbers of the bottom
lines, 64 of the message by convolutions over its letters, and two layers of 1,024. What differs: map and square have an
embedding each. `glyphs_small` is for CPUs: fixed random codes instead of embeddings (`maths.glyph_codes`), three
convolutions, which shrink the map, and a layer of 256.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.maths.counting import GOLDEN
from rewardlab.maths.glyph_codes import CELL_CODE, MESSAGE_CODE, cell_codes, message_codes
from rewardlab.networks.flat import CELLS, UNREAD, flat_size
from rewardlab.networks.init import mlp, seeded_conv2d, seeded_linear
from rewardlab.networks.part import Part
from rewardlab.types import ObsSpec

KINDS = ("glyphs", "glyphs_small")
LAST = {"glyphs": (1024, 1024), "glyphs_small": (256,)}  # layers over all that is read
_SHRUNK_FROM = 16  # cells of a side: larger maps are shrunk by the small network
_EMBEDDING, _BESIDE = 64, 64
_LETTER, _LETTERS = 32, 64  # numbers of a letter; channels over them
_BLOCK = 256  # screens whose features are told at once: embedded, a thousand maps are 0.4 GB


def shows_glyphs(obs_spec: Mapping[str, ObsSpec]) -> bool:
    return any(name in obs_spec for name in CELLS)


def glyph_part(name: str, spec: ObsSpec, kind: str, generator: torch.Generator) -> Part:
    """What reads an entry of NetHack's screen."""
    if name in CELLS:
        return Cells(spec, generator) if kind == "glyphs" else CodedCells(spec, generator)
    if name == "message":
        return Letters(spec, generator) if kind == "glyphs" else CodedMessage(spec.shape[0], generator)
    return Status(spec, generator)


class Cells(Part):
    """Glyphs by learned embeddings and five 3x3 convolutions."""

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        height, width = spec.shape
        self.embedding = nn.Parameter(torch.randn(spec.high + 1, _EMBEDDING, generator=generator))
        self.layers = nn.Sequential(*_convolutions((_EMBEDDING, 16, 16, 16, 16, 8), 1, generator))
        self.size = 8 * height * width

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding.index_select(0, prepared.reshape(-1).long()).view(*prepared.shape, _EMBEDDING)
        features: torch.Tensor = self.layers(embedded.permute(0, 3, 1, 2))
        return features


class CodedCells(Part):
    """Glyphs by fixed codes and three 3x3 convolutions; the first two halve a large map."""

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_over_codes(spec.shape, generator))
        self.size = _coded_size(spec.shape)

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layers(cell_codes(prepared).permute(0, 3, 1, 2))
        return features


class Status(Part):
    """The bottom lines, by two layers."""

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (math.prod(spec.shape), _BESIDE, _BESIDE)
        self.layers, self.size = mlp(sizes, generator, activate_last=True), _BESIDE

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layers(prepared)
        return features


class _Messages(Part):
    """Equal messages of a batch are read once: few are ever told, and most steps tell none."""

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        keys = (prepared.long() * self.weights).sum(dim=-1)  # modulo 2^64
        found, place = torch.unique(keys, return_inverse=True)
        first = torch.empty(len(found), dtype=torch.int64, device=keys.device)
        first[place] = torch.arange(len(keys), device=keys.device)
        return self.read(prepared.index_select(0, first)).index_select(0, place)

    def read(self, letters: torch.Tensor) -> torch.Tensor:
        """[U, L] -> [U, size]."""
        raise NotImplementedError

    weights: torch.Tensor

    def _weigh(self, length: int) -> None:
        steps = torch.arange(1, length + 1)
        self.register_buffer("weights", steps * int(GOLDEN.view("int64")) | 1, persistent=False)


class Letters(_Messages):
    """The message by convolutions over its letters, as in Zhang et al. 2015 (arXiv:1509.01626): six of 64 channels."""

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        self._weigh(spec.shape[0])
        self.embedding = nn.Parameter(torch.randn(256, _LETTER, generator=generator))
        layers, channels = [], _LETTER
        for kernel, pooled in ((7, True), (7, True), (3, False), (3, False), (3, False), (3, True)):
            layers += [seeded_conv2d(channels, _LETTERS, (1, kernel), generator), nn.ReLU()]
            layers += [nn.MaxPool2d((1, 3))] if pooled else []
            channels = _LETTERS
        self.layers = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            width = self.layers(torch.zeros(1, _LETTER, 1, spec.shape[0])).shape[1]
        self.last, self.size = mlp((width, 2 * _LETTERS, _BESIDE), generator), _BESIDE

    def read(self, letters: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding.index_select(0, letters.reshape(-1).long()).view(*letters.shape, _LETTER)
        embedded = embedded * (letters > 0).unsqueeze(-1)  # the end of a message is nothing
        features: torch.Tensor = self.last(self.layers(embedded.transpose(1, 2).unsqueeze(2)))
        return features


class CodedMessage(_Messages):
    """The message by its fixed code and a layer."""

    def __init__(self, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self._weigh(length)
        self.layer, self.size = seeded_linear(MESSAGE_CODE, _BESIDE, generator), _BESIDE

    def read(self, letters: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(message_codes(letters)))


class GlyphsFirst(nn.Module):
    """Flat numbers (`encode_flat`) with codes of cells among them -> what convolutions make of these, and all else
    beside: [..., D] -> [..., size].
    """

    def __init__(self, obs_spec: Mapping[str, ObsSpec], inputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self._cells: list[tuple[str, slice, tuple[int, ...]]] = []
        layers, start, self.size = {}, 0, inputs
        for name, spec in obs_spec.items():
            width = 0 if name in UNREAD else flat_size({name: spec})
            if name in CELLS:
                layers[name] = nn.Sequential(*_over_codes(spec.shape, generator))
                self._cells.append((name, slice(start, start + width), spec.shape))
                self.size += _coded_size(spec.shape) - width
            start += width
        self.layers = nn.ModuleDict(layers)

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        rows, read, end = flat.reshape(-1, flat.shape[-1]), [], 0
        for name, place, shape in self._cells:
            read.append(rows[:, end : place.start])
            codes = rows[:, place].reshape(len(rows), *shape, CELL_CODE)
            read.append(self.layers[name](codes.permute(0, 3, 1, 2)))
            end = place.stop
        features = torch.cat([*read, rows[:, end:]], dim=-1)
        return features.view(*flat.shape[:-1], self.size)


def number_rows(obs: Mapping[str, torch.Tensor], obs_spec: Mapping[str, ObsSpec]) -> torch.Tensor:
    """What a `GlyphNetwork` takes: every entry's own numbers, float32 [..., D]; those of glyphs are exact."""
    read = (obs[name].flatten(obs[name].dim() - len(spec.shape)) for name, spec in _read(obs_spec).items())
    return torch.cat([entry.float() for entry in read], dim=-1)


class GlyphNetwork(nn.Module):
    """The whole of `glyphs` over `number_rows`, with layers of these widths over all that is read: [B, D] -> [B, F].

    E3B's code learns the features of its bonus by such a network of its own (`NetHackStateEmbeddingNet`).

    Raises:
        UserError: there are no glyphs to be read.
    """

    def __init__(self, obs_spec: Mapping[str, ObsSpec], widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        if not shows_glyphs(obs_spec):
            raise UserError("reward.network=published: the environment shows no glyphs; use reward.network=auto")
        entries = _read(obs_spec)
        parts = {name: glyph_part(name, spec, "glyphs", generator) for name, spec in entries.items()}
        self.parts = nn.ModuleDict(parts)
        self._shapes = [spec.shape for spec in entries.values()]
        self.last = mlp((sum(part.size for part in parts.values()), *widths), generator, activate_last=True)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if len(rows) > _BLOCK:
            return torch.cat([self(block) for block in torch.split(rows, _BLOCK)])
        entries = torch.split(rows, [math.prod(shape) for shape in self._shapes], dim=-1)
        read = zip(self.parts.values(), entries, self._shapes, strict=True)
        seen = [part(entry.reshape(-1, *shape)) for part, entry, shape in read]
        features: torch.Tensor = self.last(torch.cat(seen, dim=-1))
        return features


def _read(obs_spec: Mapping[str, ObsSpec]) -> dict[str, ObsSpec]:
    return {name: spec for name, spec in obs_spec.items() if name not in UNREAD}


def _over_codes(shape: Sequence[int], generator: torch.Generator) -> list[nn.Module]:
    return _convolutions((CELL_CODE, 16, 16, 8), _stride(shape), generator)


def _convolutions(channels: Sequence[int], stride: int, generator: torch.Generator) -> list[nn.Module]:
    """3x3 with ELU; the last keeps the size of what it sees, the others have the stride up to the second."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(channels)):
        layers += [seeded_conv2d(inputs, outputs, 3, generator, stride=stride if i < 2 else 1, padding=1), nn.ELU()]
    return [*layers, nn.Flatten()]


def _stride(shape: Sequence[int]) -> int:
    return 2 if max(shape) >= _SHRUNK_FROM else 1


def _coded_size(shape: Sequence[int]) -> int:
    step = _stride(shape) ** 2
    return 8 * math.prod(-(-side // step) for side in shape)
