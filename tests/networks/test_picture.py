"""Networks over pictures of pixels: which is meant, what they are made of, and that schemes read by them too."""

import pytest
import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.fused import can_fuse
from rewardlab.networks.init import mlp
from rewardlab.networks.picture import Impala, Picture, flat_network, in_blocks, network_for, resolved
from rewardlab.types import ObsSpec

FRAMES = ObsSpec((84, 84, 4), "uint8", 255)
VECTOR = ObsSpec((3,), "float32")


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("image", "network"),
    [
        (FRAMES, "cnn"),
        (ObsSpec((36, 90, 3), "uint8", 255), "cnn"),
        (ObsSpec((35, 90, 3), "uint8", 255), "impala"),
        (ObsSpec((28, 28, 1), "float32"), "impala"),
        (ObsSpec((27, 90, 3), "uint8", 255), "mlp"),  # of the size of a grid
        (ObsSpec((7, 7, 3), "uint8", 10), "mlp"),
        (ObsSpec((40, 40, 3), "uint8", 10), "mlp"),  # a large grid: codes of things, not colours
        (None, "mlp"),
    ],
)
def test_auto_goes_by_what_is_shown(image: ObsSpec | None, network: str) -> None:
    spec = {"vector": VECTOR} | ({} if image is None else {"image": image})
    assert resolved("auto", "raw", spec) == network
    assert resolved("auto", "onehot", spec) == "mlp"  # asked for, where pixels cannot be had: refused by the encoder
    assert resolved("mlp", "raw", spec) == "mlp"
    if image is None or image.high != 10:
        assert network_for(None if network == "mlp" else image.shape) == network


def weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_natures_network_has_the_papers_layers() -> None:
    expected = (8 * 8 * 4 * 32 + 32) + (4 * 4 * 32 * 64 + 64) + (3 * 3 * 64 * 64 + 64) + (3136 * 512 + 512)
    network = Picture(FRAMES, drawn())
    assert weights(network) == expected and network.size == 512
    assert 4 * expected < 7e6  # bytes


def test_impalas_network_has_the_papers_layers() -> None:
    def convolution(into: int, out: int) -> int:
        return 9 * into * out + out

    blocks = [(4, 16), (16, 32), (32, 32)]
    expected = sum(convolution(into, out) + 4 * convolution(out, out) for into, out in blocks)
    network = Impala(FRAMES, drawn())
    assert weights(network) == expected + (11 * 11 * 32 * 256 + 256) and network.size == 256
    pixels = torch.randint(256, (5, 84, 84, 4), dtype=torch.uint8, generator=drawn())
    features = network(network.prepare(pixels)).detach()
    assert features.shape == (5, 256) and 0.05 < float(features.std()) < 5.0
    with pytest.raises(UserError, match=r"impala: an image of shape \(7, 7, 3\) is too small"):
        Impala(ObsSpec((7, 7, 3), "uint8", 10), drawn())


def test_pixels_stay_bytes_until_they_are_seen_and_are_then_within_0_and_1() -> None:
    encoder = Encoder({"image": FRAMES}, "cnn", "raw", drawn())
    pixels = torch.full((2, 84, 84, 4), 255, dtype=torch.uint8)
    assert encoder.prepare({"image": pixels})["image"] is pixels
    seen = encoder.parts["image"].layers(torch.ones(2, 4, 84, 84))
    torch.testing.assert_close(encoder({"image": pixels}), seen)


def test_many_pictures_are_seen_in_blocks() -> None:
    most = []

    class Watching(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            most.append(len(pictures))
            return pictures.flatten(1)

    pictures = torch.randint(256, (600, 2, 3, 1), dtype=torch.uint8, generator=drawn())
    torch.testing.assert_close(in_blocks(Watching(), pictures, 0.5), 0.5 * pictures.permute(0, 3, 1, 2).flatten(1))
    assert most == [256, 256, 88]


def test_a_flat_network_reads_the_picture_by_convolutions_and_all_else_beside() -> None:
    spec = {"cell": ObsSpec((1,), "int64", 4), "image": ObsSpec((40, 36, 3), "uint8", 255), "vector": VECTOR}
    network = flat_network(spec, (16, 5), drawn(), beside=2)
    obs = {
        "cell": torch.tensor([[1], [4]]),
        "image": torch.randint(256, (2, 40, 36, 3), dtype=torch.uint8, generator=drawn()),
        "vector": torch.randn(2, 3, generator=drawn()),
    }
    flat = torch.cat([encode_flat(obs, spec), torch.ones(2, 2)], dim=-1)
    first, *rest = network
    seen = first.layers(obs["image"].permute(0, 3, 1, 2).float() / 255)
    onehot = torch.nn.functional.one_hot(obs["cell"][:, 0], 5).float()
    features = torch.cat([seen, onehot, obs["vector"], torch.ones(2, 2)], dim=-1)
    torch.testing.assert_close(network(flat), nn.Sequential(*rest)(features), rtol=1e-4, atol=1e-5)
    assert network(flat.view(1, 2, 1, -1)).shape == (1, 2, 1, 5)
    assert not can_fuse(network)
    assert weights(network) < 0.1 * flat_size({"image": FRAMES}) * 64  # what a layer of 64 on plain pixels would have


def test_a_flat_network_of_anything_else_is_fully_connected_as_before() -> None:
    spec = {"image": ObsSpec((25, 25, 3), "uint8", 255), "vector": VECTOR}
    found = flat_network(spec, (16, 5), drawn(), last_gain=0.5).state_dict()
    plain = mlp((flat_size(spec), 16, 5), drawn(), last_gain=0.5).state_dict()
    assert found.keys() == plain.keys() and all(torch.equal(found[name], plain[name]) for name in plain)
