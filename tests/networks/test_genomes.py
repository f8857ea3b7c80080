"""Genomes as networks."""

import numpy as np
import pytest
import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.networks.genomes import Mlp
from rewardlab.types import ActionSpec, ObsSpec

IMAGE = {"image": ObsSpec((3, 4, 3), "uint8", 10)}
BOX = ActionSpec(shape=(2,), low=(-1.0, 0.0), high=(1.0, 4.0))


@pytest.mark.parametrize("hidden", [(), (5,), (6, 3)])
def test_a_genome_is_a_network_of_torch(hidden: tuple[int, ...]) -> None:
    genome, rng = Mlp(IMAGE, ActionSpec(n=4), hidden), np.random.default_rng(1)
    genomes = genome.first(rng.standard_normal((3, genome.size), np.float32))
    inputs = rng.standard_normal((3, 5, 36)).astype(np.float32) * (rng.random((3, 5, 36)) < 0.5)
    found, _ = genome.outputs(genomes, inputs.astype(np.float32))
    for p in range(3):
        layers, at = [], 0
        for width, height in zip(genome.sizes[:-1], genome.sizes[1:], strict=True):
            layer = nn.Linear(int(width), int(height))
            weights = genomes[p, at : at + width * height].reshape(width, height)
            at += width * height
            layer.weight.data, layer.bias.data = torch.tensor(weights.T), torch.tensor(genomes[p, at : at + height])
            at += height
            layers += [layer, nn.Tanh()]
        expected = nn.Sequential(*layers[:-1])(torch.tensor(inputs[p], dtype=torch.float32))
        assert np.allclose(found[p], expected.detach().numpy(), atol=3e-6)
    assert at == genome.size


def test_columns_are_normed() -> None:
    genome = Mlp(IMAGE, ActionSpec(n=4), (5,), "normc")
    (weights,) = genome.first(np.random.default_rng(0).standard_normal((1, genome.size), dtype=np.float32))
    first, last = weights[: 36 * 5].reshape(36, 5), weights[36 * 5 + 5 : -4].reshape(5, 4)
    assert np.allclose(np.linalg.norm(first, axis=0), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(last, axis=0), 0.1, atol=1e-6)
    assert not weights[36 * 5 : 36 * 5 + 5].any() and not weights[-4:].any()


def test_actions_of_outputs() -> None:
    discrete, box = Mlp(IMAGE, ActionSpec(n=3), ()), Mlp(IMAGE, BOX, ())
    outputs = np.tile(np.log(np.array([[0.2, 0.5, 0.3]], np.float32)), (5, 1))
    uniform = np.array([0.0, 0.19, 0.21, 0.69, 0.71], np.float32)
    assert discrete.actions(outputs, uniform).tolist() == [0, 0, 1, 1, 2]
    assert discrete.actions(outputs, None).tolist() == [1] * 5
    scaled = box.actions(np.array([[0.0, 0.0], [50.0, -50.0], [0.5, 0.5]], np.float32), None)
    assert np.allclose(scaled, [[0, 2], [1, 0], [np.tanh(0.5), 2 + 2 * np.tanh(0.5)]])
    with pytest.raises(UserError, match="bounds"):
        Mlp(IMAGE, ActionSpec(shape=(1,), low=(-np.inf,), high=(1.0,)), ())


def test_what_is_seen_becomes_inputs() -> None:
    spec = {**IMAGE, "vector": ObsSpec((2,), "float32"), "mission": ObsSpec((2,), "int64", 3)}
    genome = Mlp(spec, ActionSpec(n=2), ())
    obs = {
        "image": np.full((2, 3, 4, 3), 5, np.uint8),
        "vector": np.array([[1.0, 10.0], [3.0, 10.0]], np.float32),
        "mission": np.array([[0, 3], [1, 2]]),
    }
    plain = genome.inputs(obs)
    assert np.allclose(plain[:, :36], 0.5) and plain[:, 36:38].tolist() == [[1, 10], [3, 10]]
    assert plain[0, 38:].tolist() == [1, 0, 0, 0, 0, 0, 0, 1] and plain[1, 38:].tolist() == [0, 1, 0, 0, 0, 0, 1, 0]
    genome.standardise(plain)
    scaled = genome.inputs(obs)
    assert np.allclose(scaled[:, 36], [-1, 1]) and np.allclose(scaled[:, 37], 0)
    assert np.array_equal(np.delete(scaled, [36, 37], axis=1), np.delete(plain, [36, 37], axis=1))
