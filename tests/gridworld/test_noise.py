"""Observation noise: large, seeded, and without any effect on what happens."""

import numpy as np
import pytest

from rewardlab.gridworld import make_vec

TASKS = ("MiniGrid-DoorKey-5x5-v0", "MiniGrid-Dynamic-Obstacles-6x6-v0", "MiniGrid-PutNear-6x6-N2-v0")


@pytest.mark.parametrize("env_id", TASKS)
@pytest.mark.parametrize("kind", ["tv", "colours"])
def test_noise_changes_images_only(env_id: str, kind: str) -> None:
    noisy, plain = make_vec(env_id, 4, noise_kind=kind), make_vec(env_id, 4)
    noisy.reset(seed=2), plain.reset(seed=2)
    different = 0
    for actions in np.random.default_rng(0).integers(0, plain.single_action_space.n, (150, 4)):
        mine, theirs = noisy.step(actions), plain.step(actions)
        for a, b in zip(mine[1:4], theirs[1:4], strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(noisy.get_state()["cells"], plain.get_state()["cells"])
        assert np.array_equal(noisy.privileged()["state_hash"], plain.privileged()["state_hash"])
        different += not np.array_equal(mine[0]["image"], theirs[0]["image"])
        if kind == "colours":
            assert np.array_equal(mine[0]["image"][..., [0, 2]], theirs[0]["image"][..., [0, 2]])
    assert different > 100


def test_the_television_changes_on_its_action_only_and_hardly_repeats() -> None:
    envs = make_vec("MiniGrid-Empty-8x8-v0", 1, noise_kind="tv")
    assert envs.single_action_space.n == 8
    screen = lambda seen: tuple(seen["image"][0, :, 0, 1].tolist() + seen["image"][0, -1, 1:3, 1].tolist())  # noqa: E731
    seen = {screen(envs.reset(seed=0)[0])}
    last = next(iter(seen))
    for _ in range(200):
        assert screen(envs.step([0])[0]) == last
        last = screen(envs.step([7])[0])
        seen.add(last)
        envs.set_state({"steps": np.zeros(1, dtype=np.int32)})
    assert len(seen) >= 200  # of 6**9 pictures, 201 draws repeat one with a chance of 1 in 500
    assert len({colour for picture in seen for colour in picture}) == 6


def test_the_television_action_does_nothing_else() -> None:
    for env_id in TASKS:
        envs = make_vec(env_id, 3, noise_kind="tv")
        envs.reset(seed=1)
        before = envs.get_state()
        _, rewards, terminated, _, _ = envs.step(np.full(3, envs.single_action_space.n - 1))
        after = envs.get_state()
        assert not rewards.any() and not terminated.any() and after["steps"].tolist() == [1, 1, 1]
        assert np.array_equal(before["agent"], after["agent"]) and np.array_equal(before["carried"], after["carried"])
        if "Dynamic" not in env_id:
            assert np.array_equal(before["cells"], after["cells"])


def test_noise_is_seeded_and_part_of_the_state() -> None:
    first, second = (make_vec("MiniGrid-DoorKey-5x5-v0", 2, noise_kind="colours", noise_amount=0.5) for _ in range(2))
    assert np.array_equal(first.reset(seed=4)[0]["image"], second.reset(seed=4)[0]["image"])
    state = first.get_state()
    ahead = [first.step([0, 1])[0]["image"] for _ in range(5)]
    first.set_state(state)
    again = [first.step([0, 1])[0]["image"] for _ in range(5)]
    assert np.array_equal(ahead, again)
