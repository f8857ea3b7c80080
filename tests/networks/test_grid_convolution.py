"""The matrix products against the convolutions that they stand for."""

import pytest
import torch
from torch.nn import functional

from rewardlab.networks.grid_convolution import GridConvolutions


def convolve(convolutions, image, pooled):
    """The same network by torch's own convolutions and pooling, flattened with the channels innermost."""
    image = image.permute(0, 3, 1, 2)
    for index, layer in enumerate(convolutions.layers):
        weight = layer.weight.view(layer.out_features, 2, 2, -1).permute(0, 3, 1, 2)
        image = functional.conv2d(image, weight, layer.bias)
        if index == 0 and pooled:
            image = functional.max_pool2d(image, 2)
        image = functional.relu(image)
    return image.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize(
    ("shape", "pooled"), [((7, 7, 3), True), ((8, 9, 3), True), ((5, 6, 4), False), ((4, 4, 1), False)]
)
def test_equals_torch_s_convolutions_forward_and_backward(shape, pooled):
    generator = torch.Generator().manual_seed(0)
    convolutions = GridConvolutions(shape, (5, 6, 7), generator)
    for layer in convolutions.layers:
        torch.nn.init.normal_(layer.bias, generator=generator)
    image = torch.randn(11, *shape, generator=generator)
    parameters = list(convolutions.parameters())

    found, expected = convolutions(convolutions.patches(image)), convolve(convolutions, image, pooled)
    assert found.shape == (11, convolutions.size)
    torch.testing.assert_close(found, expected)
    direction = torch.randn(found.shape, generator=generator)
    gradients = [torch.autograd.grad((out * direction).sum(), parameters) for out in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_patches_of_a_rollout_are_those_of_its_steps():
    convolutions = GridConvolutions((7, 7, 3), (4, 4, 4), torch.Generator().manual_seed(0))
    image = torch.randint(0, 11, (3, 2, 7, 7, 3), dtype=torch.uint8)
    patches = convolutions.patches(image)
    assert patches.shape == (3, 2, 36, 12)
    assert torch.equal(patches[1, 1], convolutions.patches(image[1, 1]))
    assert patches[2, 0, 7].tolist() == image[2, 0, 1:3, 1:3].flatten().tolist()  # the second row's second patch
