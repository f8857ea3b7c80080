"""What pictures are in the space of an encoder that never learns: unit vectors.

| encoder | |
|---|---|
| counts | how many cells of a grid hold each thing, by object, colour and state |
| random | a convolutional network with random weights |
| file | the same network with weights from a file, read with weights_only |
| open_clip | CLIP by open_clip, weights from a file; the only one that reads words. Nothing is downloaded |
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rewardlab.errors import UserError, one_line
from rewardlab.maths.goal_embedding import unit
from rewardlab.maths.pictures import STRIDED
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.picture import reads_as_picture
from rewardlab.types import ObsSpec

ENCODERS = ("random", "counts", "file", "open_clip")
_LARGEST_CODE = 20  # of a cell's numbers: their cube is the length of a histogram
_NARROWEST = 4  # sides of a grid, for convolutions
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of pixels, as CLIP was trained
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_AT_ONCE = 64  # pictures


class FrozenEncoder(nn.Module):
    """Pictures [B, H, W, C] -> unit vectors [B, D]; nothing of it learns."""

    def words(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors of K texts, [K, D].

        Raises:
            UserError: it reads no words.
        """
        raise UserError("reward.goal: only reward.encoder=open_clip reads words; give pictures by reward.demos=DIR")


class CellCounts(FrozenEncoder):
    """How many cells hold each combination of the numbers of a cell, as a unit vector."""

    def __init__(self, spec: ObsSpec) -> None:
        """Raises:
        UserError: the picture shows no cells.
        """
        super().__init__()
        if len(spec.shape) != 3 or not 0 < spec.high <= _LARGEST_CODE:
            raise UserError(
                f"reward.encoder=counts: counts the cells of a grid, and the image has shape {spec.shape} with numbers"
                f" to {spec.high}; use random"
            )
        self._values = spec.high + 1
        self._size = self._values ** spec.shape[-1]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        cells = pictures.long().flatten(1, 2)
        code = cells[..., 0]
        for channel in range(1, cells.shape[-1]):
            code = code * self._values + cells[..., channel]
        counts = torch.zeros(len(code), self._size, device=code.device)
        return unit(counts.scatter_add_(1, code, torch.ones_like(code, dtype=torch.float32)))


class FrozenConvolutions(FrozenEncoder):
    """Convolutions that stay as they begin: those of an agent's network for such pictures (`networks/encoder.py`)."""

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        """Raises:
        UserError: the image is too small.
        """
        super().__init__()
        if len(spec.shape) != 3 or min(spec.shape[:2]) < _NARROWEST:
            raise UserError(f"reward.encoder=random: an image of shape {spec.shape} is too small; use counts")
        small = reads_as_picture(spec) and min(spec.shape[:2]) < STRIDED
        self.network = Encoder({"image": spec}, "impala" if small else "cnn", "raw", generator).requires_grad_(False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return unit(self.network(self.network.prepare({"image": pictures})))

    def read(self, path: str) -> None:
        """Take the weights of a file, as `torch.save(network.state_dict(), FILE)` writes them.

        Raises:
            UserError: it can't be read, or is of another network.
        """
        said = f"reward.file={path}"
        try:
            found = torch.load(Path(path).expanduser(), map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a file that is none leads to
            raise UserError(f"{said}: can't be read ({type(error).__name__}: {one_line(error, 150)})") from None
        wanted = {name: tuple(weight.shape) for name, weight in self.network.state_dict().items()}
        given = (
            {name: tuple(weight.shape) for name, weight in found.items() if isinstance(weight, torch.Tensor)}
            if isinstance(found, dict)
            else {}
        )
        for name, shape in wanted.items():
            if given.get(name) != shape:
                has = f"has it as {given[name]}" if name in given else "has no such"
                raise UserError(f"{said}: the network for this image has {name} of shape {shape}, and the file {has}")
        self.network.load_state_dict({name: found[name] for name in wanted})


class OpenClip(FrozenEncoder):
    """CLIP, by open_clip: pictures and words in one space (Radford et al. 2021)."""

    def __init__(self, model: str, path: str) -> None:
        """Args:
        model: one of open_clip's own names. path: its weights.

        Raises:
            UserError: the package, the model or the file is missing, or they do not fit.
        """
        super().__init__()
        try:
            import open_clip
        except ImportError as error:
            raise UserError(
                f"reward.encoder=open_clip: needs {error.name}: pip install 'rewardlab[clip]', and weights on disk:"
                " reward.file=FILE"
            ) from None
        known = open_clip.list_models()
        if model not in known:
            near = "".join(f"; did you mean {name}?" for name in get_close_matches(model, known, n=1))
            raise UserError(f"reward.model={model}: open_clip has no such model{near}")
        asked = open_clip.get_model_config(model) or {}
        if {"hf_model_name", "hf_tokenizer_name"} & set(asked.get("text_cfg", {})):
            raise UserError(f"reward.model={model}: needs more files from a hub; use one such as ViT-B-32")
        weights = Path(path).expanduser()
        if not weights.is_file():
            raise UserError(f"reward.file={path}: no such file; open_clip's weights are not downloaded")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of activations that differ between sources of weights
                made: Any = open_clip.create_model(model, pretrained=str(weights))
        except Exception as error:  # whatever a file of something else leads to
            raise UserError(
                f"reward.file={path}: no weights of {model} ({type(error).__name__}: {one_line(error, 150)})"
            ) from None
        self._tokens = open_clip.get_tokenizer(model)
        side = made.visual.image_size
        self._size = (side, side) if isinstance(side, int) else tuple(side)
        self.register_buffer("_mean", torch.tensor(_CLIP_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(_CLIP_STD).view(3, 1, 1), persistent=False)
        self._model = [made.eval().requires_grad_(False)]  # in a list: not part of what a run saves

    _mean: torch.Tensor
    _std: torch.Tensor

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        model = self._model[0].to(pictures.device)
        return torch.cat(
            [unit(model.encode_image(self._scaled(few)).float()) for few in torch.split(pictures, _AT_ONCE)]
        )

    def words(self, texts: Sequence[str]) -> torch.Tensor:
        return unit(self._model[0].encode_text(self._tokens(list(texts)).to(self._mean.device)).float())

    def _scaled(self, pictures: torch.Tensor) -> torch.Tensor:
        pixels = pictures[..., -3:].permute(0, 3, 1, 2).float() / 255.0
        resized = functional.interpolate(pixels, self._size, mode="bicubic", antialias=True, align_corners=False)
        return (resized.clamp(0.0, 1.0) - self._mean) / self._std
