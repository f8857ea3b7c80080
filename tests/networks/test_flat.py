"""Flat observations against torch's own one-hot."""

import torch
from torch.nn import functional

from rewardlab.networks.flat import can_onehot, encode_flat, flat_size
from rewardlab.types import ObsSpec

SPEC = {
    "image": ObsSpec((2, 2, 3), "uint8", 10),
    "mission": ObsSpec((4,), "int64", 6),
    "vector": ObsSpec((5,), "float32"),
}


def observation(*leading):
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 11, (*leading, 2, 2, 3), generator=generator).to(torch.uint8),
        "mission": torch.randint(0, 7, (*leading, 4), generator=generator),
        "vector": torch.randn(*leading, 5, generator=generator),
    }


def test_raw():
    obs = observation(3, 2)
    mission = functional.one_hot(obs["mission"], 7).flatten(-2).float()
    expected = torch.cat([obs["image"].flatten(-3).float() / 10, mission, obs["vector"]], dim=-1)
    found = encode_flat(obs, SPEC)
    torch.testing.assert_close(found, expected)
    assert found.dtype == torch.float32
    assert found.shape == (3, 2, flat_size(SPEC)) == (3, 2, 12 + 28 + 5)


def test_onehot():
    obs = observation(7)
    found = encode_flat(obs, SPEC, onehot=True)
    expected = functional.one_hot(obs["image"].flatten(-3).long(), 11).flatten(-2).float()
    assert torch.equal(found[:, : 12 * 11], expected)
    assert found.shape == (7, flat_size(SPEC, onehot=True)) == (7, 12 * 11 + 28 + 5)


def test_entries_that_the_spec_does_not_name_are_left_out():
    assert encode_flat(observation(2), {"vector": SPEC["vector"]}).shape == (2, 5)


def test_scalars():
    assert encode_flat({"vector": torch.arange(3.0)}, {"vector": ObsSpec((), "float32")}).tolist() == [[0], [1], [2]]


def test_pixels_are_too_many_to_tell_apart():
    assert can_onehot(SPEC)
    assert not can_onehot({"image": ObsSpec((8, 8, 3), "uint8", 255)})
    assert can_onehot({"vector": SPEC["vector"]})
