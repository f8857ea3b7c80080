"""What images may show besides the plain view: other views, the full grid, noise."""

from typing import Any

import numpy as np
import pytest
import torch
from hand import bare
from minigrid.wrappers import FullyObsWrapper, ViewSizeWrapper

from rewardlab import schemas
from rewardlab.config.identity import flat_options
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.networks.encoder import Encoder

DOORKEY = "MiniGrid-DoorKey-5x5-v0"
EMPTY = "MiniGrid-Empty-Random-5x5-v0"  # episodes end at different times
CHANNEL = 7  # the TV's action


def config(env_id: str = DOORKEY, **options: Any) -> minigrid.Config:
    made = minigrid.Config(id=env_id, **options)
    schemas.check(made, "env.")
    return made


def play(env, steps: int):
    """The batches of random actions, the first observation before them."""
    obs = env.reset(range(env.num_envs))
    actions = np.random.default_rng(0).integers(7, size=(steps, env.num_envs))
    return obs, [env.step(action) for action in actions]


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize(
    ("look", "wrapper"),
    [({"observation": "full"}, FullyObsWrapper), ({"view_size": 5}, lambda env: ViewSizeWrapper(env, 5))],
)
def test_looks_are_those_of_farama_s_wrappers(look, wrapper, backend: str) -> None:
    env = minigrid.make(config(backend=backend, **look), Levels(2))
    twin = wrapper(bare(DOORKEY))
    obs = env.reset([0, 1])
    np.testing.assert_array_equal(obs["image"][1], twin.reset(seed=1)[0]["image"])
    assert obs["image"].shape[1:] == env.spec.obs["image"].shape == (5, 5, 3)
    for action in np.random.default_rng(0).integers(7, size=150):
        seen, *_, terminated, truncated, _ = twin.step(int(action))
        batch = env.step(np.array([6, action]))
        np.testing.assert_array_equal(batch.next_obs["image"][1], seen["image"])
        if terminated or truncated:
            twin.reset()


@pytest.mark.parametrize(
    "options", [{"noise": "tv"}, {"noise": "tv", "observation": "full"}, {"noise": "colours", "noise_amount": 0.5}]
)
@pytest.mark.parametrize("levels", [{}, {"pool": [5, 6]}, {"lists": [[1, 2], [3], [4, 5, 6]]}])
def test_noise_changes_what_is_seen_and_nothing_else(options, levels) -> None:
    look = {name: value for name, value in options.items() if name == "observation"}
    noisy, plain = (
        minigrid.make(config(EMPTY, **chosen), Levels(3, **levels), ("state_hash",)) for chosen in (options, look)
    )
    assert noisy.spec.action.n == plain.spec.action.n + (options["noise"] == "tv")
    shape, high = noisy.spec.obs["image"].shape, noisy.spec.obs["image"].high
    (_, mine), (_, theirs) = play(noisy, 300), play(plain, 300)
    different, ended_alone = 0, 0
    for ours, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(ours.privileged["state_hash"], other.privileged["state_hash"])
        np.testing.assert_array_equal(ours.task_reward, other.task_reward)
        np.testing.assert_array_equal(ours.terminated, other.terminated)
        for obs in (ours.obs, ours.next_obs):
            assert obs["image"].shape[1:] == shape and obs["image"].max() <= high
        going_on = ~(ours.terminated | ours.truncated)
        np.testing.assert_array_equal(ours.obs["image"][going_on], ours.next_obs["image"][going_on])
        ended_alone += 0 < going_on.sum() < 3
        different += not np.array_equal(ours.obs["image"], other.obs["image"])
    assert different > 200 and ended_alone > 2


@pytest.mark.parametrize("levels", [{"pool": [5]}, {"lists": [[5], [5]]}])
def test_noise_does_not_come_back_with_a_level(levels) -> None:
    env = minigrid.make(config(noise="tv"), Levels(2, **levels))
    obs = env.reset([1, 2])
    seen = set()
    for _ in range(5):  # whole episodes of the same level
        for step in range(250):
            seen |= {image[..., 1].tobytes() for image in obs["image"]} if step < 30 else set()
            batch = env.step(np.full(2, CHANNEL))
            obs = batch.obs
        assert batch.truncated.all()
    assert len(seen) > 295  # of 6**9 screens, 300 draws hardly repeat one


def test_noise_is_the_same_again_from_the_same_seeds() -> None:
    env = minigrid.make(config(noise="colours"), Levels(3, pool=[1, 2]))
    first, again = play(env, 100)[1], play(env, 100)[1]
    assert all(np.array_equal(a.obs["image"], b.obs["image"]) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"view_size": 4}, "env.view_size=4: must be odd"),
        ({"view_size": 33}, "env.view_size=33: must be at most 31"),
        ({"observation": "ful"}, "env.observation=ful: no such option; did you mean full?"),
        ({"observation": "full", "view_size": 5}, "env.observation=full: shows the whole grid"),
        ({"observation": "full", "see_through_walls": False}, "env.observation=full: shows the whole grid"),
        ({"max_steps": 0}, "env.max_steps=0: must be greater than 0"),
        ({"env_id": "BabyAI-GoToLocal-v0", "max_steps": 9}, "env.max_steps=9: BabyAI-GoToLocal-v0 has a limit"),
        ({"noise_amount": 0.1}, "env.noise_amount=0.1: there is no noise"),
        ({"noise": "colours", "noise_amount": 2.0}, "env.noise_amount=2: the share of cells"),
        ({"noise": "tv", "noise_amount": 8.5}, "env.noise_amount=8.5: the tv takes whole cells, 8 to 13"),
        ({"noise": "tv", "noise_amount": 14.0}, "env.noise_amount=14: the tv takes whole cells, 8 to 13"),
        ({"noise": "tv", "observation": "full", "noise_amount": 10.0}, "env.noise_amount=10: .*, 8 to 9 of them"),
        ({"noise": "tv", "view_size": 3}, "env.noise=tv: the screen needs 8 cells"),
    ],
)
def test_what_does_not_fit_is_refused(options, line: str) -> None:
    with pytest.raises(UserError, match=line):
        config(**options)


def test_noise_is_the_fast_engine_s() -> None:
    for options in ({"backend": "reference"}, {"env_id": "MiniGrid-WFC-MazeSimple-v0"}):
        with pytest.raises(UserError, match=r"env\.noise=tv: only in env\.backend=fast"):
            minigrid.make(config(noise="tv", **options), Levels(1))


def test_old_settings_keep_their_names() -> None:
    assert flat_options(config()).keys() == {"id", "levels"}
    assert flat_options(config(view_size=5, noise="tv"))["view_size"] == 5


@pytest.mark.parametrize("options", [{"observation": "full"}, {"view_size": 5}, {"view_size": 3}])
def test_networks_take_other_images(options) -> None:
    spec = minigrid.make(config(backend="reference", **options), Levels(1)).spec
    image = {"image": torch.zeros(2, *spec.obs["image"].shape, dtype=torch.uint8)}
    for kind, encoding in (("mlp", "raw"), ("mlp", "onehot"), ("cnn", "raw")):
        if kind == "cnn" and options == {"view_size": 3}:
            with pytest.raises(UserError, match=r"agent\.network=cnn: an image of shape .* is too small"):
                Encoder(spec.obs, kind, encoding, torch.Generator())
            continue
        encoder = Encoder(spec.obs, kind, encoding, torch.Generator())
        assert encoder(encoder.prepare(image)).shape == (2, encoder.size)
