"""Encoders over every kind of observation, and what they refuse."""

import pytest
import torch

from rewardlab.errors import UserError
from rewardlab.networks.encoder import Encoder
from rewardlab.types import ObsSpec

VIEW = {"image": ObsSpec((7, 7, 3), "uint8", 10)}
MISSION = {"mission": ObsSpec((5,), "int64", 20)}
VECTOR = {"vector": ObsSpec((4,), "float32")}


def build(spec, kind="mlp", encoding="raw"):
    return Encoder(spec, kind, encoding, torch.Generator().manual_seed(0))


def zeros(spec, batch=3):
    return {name: torch.zeros(batch, *entry.shape, dtype=getattr(torch, entry.dtype)) for name, entry in spec.items()}


@pytest.mark.parametrize(
    "spec", [VIEW, VIEW | MISSION, VIEW | VECTOR | MISSION, VECTOR, MISSION], ids=lambda s: "+".join(s)
)
@pytest.mark.parametrize("encoding", ["raw", "onehot"])
def test_every_combination_gives_features_of_its_size(spec, encoding):
    encoder = build(spec, encoding=encoding)
    assert encoder(encoder.prepare(zeros(spec))).shape == (3, encoder.size)


@pytest.mark.parametrize("shape", [(4, 4, 3), (5, 7, 3), (7, 7, 3), (9, 9, 3), (25, 25, 3), (64, 64, 3), (84, 84, 4)])
def test_cnn_on_images_of_other_sizes(shape):
    spec = {"image": ObsSpec(shape, "uint8", 255)}
    encoder = build(spec, "cnn")
    assert encoder(encoder.prepare(zeros(spec))).shape == (3, encoder.size)
    assert encoder.size <= 1024


def test_cnn_on_the_minigrid_view_gives_64_features():
    assert build(VIEW, "cnn").size == 64


def test_raw_integers_are_scaled_by_the_largest():
    image = torch.arange(147, dtype=torch.uint8).remainder(11).view(1, 7, 7, 3)
    encoder = build(VIEW)
    torch.testing.assert_close(encoder(encoder.prepare({"image": image})), image.flatten(1).float() / 10)


def test_the_order_of_the_mission_matters():
    encoder = build(MISSION)
    forwards, backwards = ({"mission": torch.tensor([tokens])} for tokens in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]))
    assert not torch.allclose(encoder(encoder.prepare(forwards)), encoder(encoder.prepare(backwards)))


@pytest.mark.parametrize(("kind", "encoding"), [("mlp", "raw"), ("mlp", "onehot"), ("cnn", "raw")])
def test_a_whole_rollout_is_prepared_as_its_parts_are(kind, encoding):
    spec = VIEW | VECTOR | MISSION
    encoder = build(spec, kind, encoding)
    generator = torch.Generator().manual_seed(1)
    rollout = {
        "image": torch.randint(0, 11, (5, 3, 7, 7, 3), generator=generator).to(torch.uint8),
        "vector": torch.randn(5, 3, 4, generator=generator),
        "mission": torch.randint(0, 21, (5, 3, 5), generator=generator),
    }
    whole = encoder.prepare(rollout)
    for t in range(5):
        part = encoder.prepare({name: entry[t] for name, entry in rollout.items()})
        for name, entry in part.items():
            assert torch.equal(entry, whole[name][t])


@pytest.mark.parametrize(
    ("spec", "kind", "encoding", "line"),
    [
        (VECTOR, "cnn", "raw", "agent.network=cnn: the environment shows no image"),
        ({"image": ObsSpec((3, 3, 3), "uint8", 10)}, "cnn", "raw", "too small"),
        ({"image": ObsSpec((8, 8, 3), "uint8", 255)}, "mlp", "onehot", "agent.encoding=onehot: .* up to 255"),
        ({"sound": ObsSpec((8,), "float32")}, "mlp", "raw", "observation entry sound"),
    ],
)
def test_what_cannot_fit_is_refused(spec, kind, encoding, line):
    with pytest.raises(UserError, match=line):
        build(spec, kind, encoding)
