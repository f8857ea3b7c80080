"""RND on pictures as published, recomputed by hand: one frame of the stack, whitened pixels, leaking convolutions."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.training import random_play
from rewardlab.types import Array, ObsSpec, Rollout

SIDE, FRAMES, STEPS, ENVS = 36, 4, 3, 4
PUBLISHED = {"network": "published", "channels": 1, "hidden": 6, "features": 5, "coef": 1.0, "epochs": 1}


def pictures(**options: Any) -> Any:
    made = case("rnd", **PUBLISHED | options)
    shown = {"image": ObsSpec((SIDE, SIDE, FRAMES), "uint8", 255)}
    return replace(made, spec=replace(made.spec, id="pictures", obs=shown))


def test_bonus_over_rollouts_recomputed() -> None:
    a_case = pictures(warmup=0)
    scheme, _ = a_case.build()
    task, bonus = scheme.streams
    assert (task.coef, bonus.coef, bonus.gamma, bonus.episodic) == (2.0, 1.0, 0.99, False)
    warm_up, *trained = rollouts(a_case, STEPS, STEPS, 2)
    scheme.warm_up(warm_up)
    seen, sums, value = [latest(warm_up)], [], np.zeros(ENVS)
    for rollout in trained:
        history, frames = np.concatenate(seen), latest(rollout)
        spread = np.sqrt(history.var(axis=0) + 1e-8)
        whitened = np.clip((frames - history.mean(axis=0)) / spread, -5.0, 5.0)
        errors = error(scheme, whitened).reshape(rollout.steps, ENVS)
        for row in errors:
            value = 0.99 * value + row
            sums.append(value)
        found = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(found, errors / np.std(sums), rtol=2e-3)
        seen.append(frames)
        scheme.update(rollout)


def test_the_predictor_learns_from_the_share_that_is_asked_for() -> None:
    a_case = pictures(warmup=0, normalise_reward=False, update_proportion=0.25, batch_size=100, learning_rate=1e-2)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    each = scheme.compute(rollout).streams["intrinsic"].flatten()  # whitened by the rollout, as in `update`
    loss = scheme.update(rollout)["loss/rnd_predictor"]
    frames = [frame.tobytes() for frame in latest(rollout)]
    met = {frame: (float(each[i]), frames.count(frame)) for i, frame in enumerate(frames)}  # equal ones stand together
    shares = [error * times * len(met) / len(frames) for error, times in met.values()]
    means = [np.mean(some) for some in combinations(shares, round(0.25 * len(met)))]
    assert 1 <= round(0.25 * len(met)) < len(met) and np.abs(np.array(means) / loss - 1).min() < 1e-3
    for _ in range(30):
        scheme.update(rollout)
    assert scheme.compute(rollout).streams["intrinsic"].sum() < each.sum()


def test_learning_in_blocks_is_learning_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    after = []
    for block in (3, 1000):
        monkeypatch.setattr("rewardlab.parts.models.random_distillation.BLOCK", block)
        a_case = pictures(warmup=0, batch_size=100)
        scheme, _ = a_case.build()
        scheme.distillation.optimiser.eps = 1.0
        rollout = rollouts(a_case, STEPS)[0]
        scheme.compute(rollout)
        loss = scheme.update(rollout)["loss/rnd_predictor"]
        after.append((loss, torch.cat([entry.flatten() for entry in scheme.distillation.predictor.parameters()])))
    assert after[0][0] == pytest.approx(after[1][0], rel=1e-5)
    torch.testing.assert_close(after[0][1], after[1][1], rtol=1e-4, atol=1e-6)


def test_a_long_warm_up_is_played_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """50 x 128 steps of 128 environments would be 23 GB of frames."""
    config = compose(["env=pointplane", "reward=none"]).config
    spec = pictures().spec
    size = SIDE * SIDE * FRAMES
    monkeypatch.setattr(random_play, "_MOST", 5 * size * config.num_envs)
    assert random_play._pieces(12, config.num_envs, spec) == [5, 5, 2] and random_play._pieces(0, 8, spec) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"channels": 5}, r"reward.channels=5: the environment shows 4 channels; use null"),
        (
            {"network": "published", "shape": (30, 30, 1)},
            r"reward.network=published: reads pictures of 36 x 36 or more",
        ),
        ({"channels": 1, "shape": (7, 7, 3)}, r"reward.channels=1: the environment shows no picture"),
    ],
)
def test_what_cannot_be_read_is_refused(options: dict[str, Any], line: str) -> None:
    shape = options.pop("shape", (SIDE, SIDE, FRAMES))
    a_case = pictures(**{"network": "auto", "channels": None} | options)
    shown = {"image": ObsSpec(shape, "uint8", 10 if shape[0] < 28 else 255)}
    with pytest.raises(UserError, match=line):
        replace(a_case, spec=replace(a_case.spec, obs=shown)).build()


def latest(rollout: Rollout) -> Array:
    """[T * N, SIDE, SIDE], float64 within 0 and 1."""
    return rollout.next_obs["image"][..., -1].flatten(0, 1).double().numpy() / 255.0


def error(scheme: Any, frames: Array) -> Array:
    target, predictor = scheme.distillation.target, scheme.distillation.predictor
    (wanted,), (first, second, last) = linears(target), linears(predictor)
    hidden = np.maximum(dense(convolved(predictor, frames), first), 0.0)
    hidden = np.maximum(dense(hidden, second), 0.0)
    gap = dense(hidden, last) - dense(convolved(target, frames), wanted)
    return (gap**2).mean(axis=1)


def linears(network: Any) -> list[Any]:
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]


def dense(inputs: Array, layer: Any) -> Array:
    return inputs @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()


def convolved(network: Any, frames: Array) -> Array:
    """Convolutions of strides 4, 2 and 1 by loops over their outputs, flattened with the channels outermost."""
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    image = frames[:, None]
    for layer, stride in zip(layers, (4, 2, 1), strict=True):
        weight, bias = (entry.detach().double().numpy() for entry in (layer.weight, layer.bias))
        size = (image.shape[2] - weight.shape[2]) // stride + 1
        out = np.empty((len(image), len(weight), size, size))
        for row in range(size):
            for column in range(size):
                patch = image[:, :, row * stride :, column * stride :][:, :, : weight.shape[2], : weight.shape[3]]
                out[:, :, row, column] = np.einsum("bcij,ocij->bo", patch, weight) + bias
        image = np.where(out > 0, out, 0.2 * out)
    return image.reshape(len(image), -1)
