"""RND's parts put together: whitening, error, normalisation and streams, recomputed from the whole history."""

import numpy as np
import torch
from made_up import STEPS, case, rollouts

from rewardlab.networks.flat import encode_flat
from rewardlab.types import Rollout


def test_bonus_over_rollouts_recomputed() -> None:
    a_case = case("rnd", warmup=STEPS)
    scheme, _ = case("rnd", warmup=0).build()
    warm_up, *trained = rollouts(a_case, STEPS, STEPS, 7, STEPS)
    scheme.warm_up(warm_up)
    seen, sums, value = [flat(a_case, warm_up)], [], np.zeros(4)
    for rollout in trained:
        inputs = whiten(flat(a_case, rollout), np.concatenate(seen))  # moments from before the rollout
        errors = error(scheme, inputs).reshape(rollout.steps, 4)
        for row in errors:
            value = 0.99 * value + row  # through the ends of episodes
            sums.append(value)
        expected = errors / np.std(sums)
        np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-3)
        seen.append(flat(a_case, rollout))
        scheme.update(rollout)


def test_without_a_warm_up_the_first_rollout_is_whitened_by_itself() -> None:
    a_case = case("rnd", warmup=0, normalise_reward=False)
    scheme, _ = a_case.build()
    assert scheme.warmup_steps == 0
    rollout = rollouts(a_case, STEPS)[0]
    inputs = whiten(flat(a_case, rollout), flat(a_case, rollout))
    expected = error(scheme, inputs).reshape(STEPS, 4)
    np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-3)


def test_published_variant_without_normalisation() -> None:
    a_case = case("rnd", error="l2", normalise_observation=False, normalise_reward=False, episodic=True, coef=0.1)
    scheme, _ = a_case.build()
    assert scheme.warmup_steps == 0 and scheme.streams[1].episodic
    rollout = rollouts(a_case, STEPS)[0]
    inputs = torch.from_numpy(flat(a_case, rollout)).float()
    expected = (
        (scheme.distillation.predictor(inputs) - scheme.distillation.target(inputs)).norm(dim=1).reshape(STEPS, 4)
    )
    torch.testing.assert_close(scheme.compute(rollout).streams["intrinsic"], expected.detach())


def test_streams_and_warm_up_are_declared() -> None:
    scheme, _ = case("rnd", coef=1.0, task_coef=2.0, warmup=50).build()
    task, bonus = scheme.streams
    assert (task.coef, bonus.coef, bonus.gamma, task.episodic, bonus.episodic) == (2.0, 1.0, 0.99, True, False)
    assert scheme.warmup_steps == 50


def test_update_trains_the_predictor_on_what_was_seen_and_never_the_target() -> None:
    a_case = case("rnd", learning_rate=1e-2, normalise_reward=False, warmup=0)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    target = [weight.clone() for weight in scheme.distillation.target.parameters()]
    before = scheme.compute(rollout).streams["intrinsic"]
    for _ in range(20):
        scheme.update(rollout)
    after = scheme.compute(rollout).streams["intrinsic"]
    assert after.mean() < 0.2 * before.mean()
    assert all(torch.equal(old, new) for old, new in zip(target, scheme.distillation.target.parameters(), strict=True))


def test_the_torchbeast_variant_has_networks_of_one_shape() -> None:
    scheme, _ = case("rnd", extra_layers=0).build()
    shapes = [
        [weight.shape for weight in net.parameters()]
        for net in (scheme.distillation.target, scheme.distillation.predictor)
    ]
    assert shapes[0] == shapes[1]


def flat(a_case: object, rollout: Rollout) -> np.ndarray:
    entries = encode_flat(rollout.next_obs, a_case.spec.obs)  # type: ignore[attr-defined]
    return entries.reshape(-1, entries.shape[-1]).double().numpy()


def whiten(inputs: np.ndarray, history: np.ndarray) -> np.ndarray:
    std = np.sqrt(history.var(axis=0) + 1e-8)
    return np.clip((inputs - history.mean(axis=0)) / std, -5.0, 5.0)


@torch.no_grad()
def error(scheme: object, inputs: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(inputs).float()
    gap = scheme.distillation.predictor(tensor) - scheme.distillation.target(tensor)  # type: ignore[attr-defined]
    return (gap.double() ** 2).mean(dim=1).numpy()
