"""Pictures of gymnasium environments: which parts are one, and what is shown of them: grey, small, several at once."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Tuple
from minigrid.envs import DoorKeyEnv
from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper

from rewardlab import discovery, schemas
from rewardlab.config.composition import compose
from rewardlab.envs.external import gym
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning

COLOURS = Box(0, 255, (84, 84, 3), np.uint8)


class Film(gymnasium.Env):
    """Shows samples of a space; an episode has three steps."""

    def __init__(self, space: Any) -> None:
        self.observation_space, self.action_space = space, Discrete(2)
        self.shown: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self._next(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.steps += 1
        return self._next(), 1.0, self.steps == 3, False, {}

    def _next(self) -> Any:
        self.shown.append(self.observation_space.sample())
        return self.shown[-1]


@pytest.fixture
def film() -> Iterator[Callable[..., str]]:
    """Registers an environment that shows a space, and gives its id."""
    names: list[str] = []

    def register(space: Any) -> str:
        names.append(f"Film{len(names)}-v0")
        gymnasium.register(
            id=names[-1], entry_point=lambda **_: Film(space), disable_env_checker=True, max_episode_steps=9
        )
        return names[-1]

    yield register
    for name in names:
        del gymnasium.registry[name]


@pytest.fixture
def played(film: Callable[..., str]) -> Callable[..., Any]:
    return lambda space, num_envs=1, **options: gym.make(gym.Config(id=film(space), **options), Levels(num_envs))


def original(env: Any, env_index: int = 0) -> list[Any]:
    """What the environment itself has shown."""
    return env._vector.envs[env_index].unwrapped.shown


@pytest.mark.parametrize(
    ("space", "shape", "beside"),
    [
        (Box(0, 255, (60, 40), np.uint8), (60, 40, 1), 0),
        (Box(0, 255, (4, 60, 40), np.uint8), (60, 40, 4), 0),
        (Box(0, 255, (4, 60, 40, 3), np.uint8), (60, 40, 12), 0),
        (Box(0, 255, (4, 3, 60, 40), np.uint8), (60, 40, 12), 0),
        (Box(0, 255, (4, 60, 40, 1), np.uint8), (60, 40, 4), 0),
        (Box(0, 1, (60, 40, 3)), (60, 40, 3), 0),
        (Box(0, 255, (3, 60, 40)), (60, 40, 3), 0),
        (Dict(front=COLOURS, back=COLOURS, speed=Box(-1, 1, (2,))), (84, 84, 6), 2),
        (Dict(sight=Dict(eye=COLOURS, depth=Box(0, 1, (5,))), map=Box(0, 9, (7, 7, 3), np.uint8)), (84, 84, 3), 152),
        (Tuple((Box(-1, 1, (2,)), COLOURS, Discrete(3))), (84, 84, 3), 5),
    ],
    ids=["grey", "stack", "colour stack", "torch stack", "grey stack", "floats", "bright", "two", "nested", "tuple"],
)  # fmt: skip
def test_pictures_are_found_wherever_they_stand(space: Any, shape: tuple, beside: int, played: Callable) -> None:
    env = played(space)
    assert env.spec.obs["image"].shape == shape
    assert ("vector" in env.spec.obs) == bool(beside) and (not beside or env.spec.obs["vector"].shape == (beside,))
    obs = env.reset([1])
    assert obs["image"].shape == (1, *shape) and obs["image"].dtype == env.spec.obs["image"].dtype
    if obs["image"].dtype == np.float32:
        assert 0.9 < obs["image"].max() <= 1.0
    batch = env.step(np.array([0]))
    if isinstance(space, Box):
        first, second = (np.stack([shown]) for shown in original(env))
        np.testing.assert_array_equal(env.spec.native.entries(first)["image"], obs["image"])
        np.testing.assert_array_equal(env.spec.native.entries(second)["image"], batch.obs["image"])


def test_frames_of_a_stack_keep_their_order_and_colours(played: Callable) -> None:
    env = played(Box(0, 255, (4, 60, 40, 3), np.uint8))
    image = env.reset([1])["image"][0]
    (shown,) = original(env)
    for frame in range(4):
        np.testing.assert_array_equal(image[..., 3 * frame : 3 * frame + 3], shown[frame])


def test_cameras_stand_side_by_side_in_the_channels(played: Callable) -> None:
    env = played(Dict([("front", COLOURS), ("back", COLOURS), ("speed", Box(-1, 1, (2,)))]))
    obs = env.reset([1])
    (shown,) = original(env)
    np.testing.assert_array_equal(obs["image"][0], np.concatenate([shown["front"], shown["back"]], axis=-1))
    np.testing.assert_array_equal(obs["vector"][0], shown["speed"])


def test_what_stands_beside_a_picture_in_a_tuple_is_left(played: Callable) -> None:
    env = played(Tuple((Box(-1, 1, (2,)), COLOURS, Discrete(3))))
    obs = env.reset([1])
    (shown,) = original(env)
    np.testing.assert_array_equal(obs["vector"][0], [*shown[0], *np.eye(3)[shown[2]]])


def test_a_volume_of_floats_is_no_picture(played: Callable) -> None:
    assert played(Box(0, 1, (32, 32, 32))).spec.obs["vector"].shape == (32**3,)


def test_pictures_of_several_sizes_are_refused_by_name(played: Callable) -> None:
    with pytest.raises(UserError, match=r"several sizes \(a \(84, 84, 3\), b \(60, 40, 1\)\)"):
        played(Dict([("a", COLOURS), ("b", Box(0, 255, (60, 40), np.uint8))]))


@pytest.mark.parametrize(
    ("shape", "options", "becomes"),
    [
        ((210, 160, 3), {}, (84, 84, 3)),
        ((210, 160, 3), {"resize": None}, (210, 160, 3)),
        ((210, 160, 3), {"resize": "64"}, (64, 64, 3)),
        ((96, 96, 3), {}, (96, 96, 3)),
        ((96, 96, 3), {"resize": "42x50"}, (42, 50, 3)),
        ((210, 160, 3), {"grayscale": True}, (84, 84, 1)),
        ((210, 160, 3), {"grayscale": True, "frame_stack": 4}, (84, 84, 4)),
        ((7, 7, 3), {"frame_stack": 2}, (7, 7, 6)),
    ],
)
def test_pictures_get_the_size_and_channels_that_are_asked_for(
    shape: tuple, options: dict, becomes: tuple, played: Callable
) -> None:
    env = played(Box(0, 255, shape, np.uint8), **options)
    assert env.spec.obs["image"].shape == becomes and env.spec.obs["image"].high == 255
    image = env.reset([1])["image"]
    assert image.shape == (1, *becomes) and image.dtype == np.uint8


def test_a_stack_begins_with_the_first_frame_and_ends_with_the_true_last(played: Callable) -> None:
    env = played(Dict(eye=Box(0, 255, (40, 30, 3), np.uint8), speed=Box(-1, 1, (2,))), num_envs=2, frame_stack=3)
    seen = [env.reset([1, 2])]
    reached = []
    for _ in range(7):
        batch = env.step(np.array([0, 1]))
        seen.append(batch.obs)
        reached.append(batch.next_obs)
    for i in range(2):
        shown = original(env, i)  # 4 of each episode: one at its reset
        place = 0
        for t in range(8):
            episode, step = divmod(t, 3)
            place = 4 * episode + step
            frames = [shown[max(4 * episode, place - back)] for back in (2, 1, 0)]
            image = np.concatenate([frame["eye"] for frame in frames], axis=-1)
            np.testing.assert_array_equal(seen[t]["image"][i], image)
            np.testing.assert_array_equal(seen[t]["vector"][i], np.concatenate([frame["speed"] for frame in frames]))
            if t < 7:  # the successor, where an episode ends too
                frames = [shown[max(4 * episode, place + 1 - back)] for back in (2, 1, 0)]
                image = np.concatenate([frame["eye"] for frame in frames], axis=-1)
                np.testing.assert_array_equal(reached[t]["image"][i], image)


def test_a_stored_episode_is_shown_as_it_was_played(played: Callable) -> None:
    env = played(
        Dict(eye=Box(0, 255, (90, 90, 3), np.uint8), speed=Box(-1, 1, (2,))), frame_stack=3, grayscale=True, resize="40"
    )
    seen = [env.reset([1])]
    seen += [env.step(np.array([0])).next_obs for _ in range(3)]
    shown = original(env)[:4]
    stored = {key: np.stack([frame[key] for frame in shown]) for key in ("eye", "speed")}
    found = env.spec.native.entries(stored)
    for name in ("image", "vector"):
        np.testing.assert_array_equal(found[name], np.concatenate([obs[name] for obs in seen]))


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (Box(0, 1, (4,)), {"grayscale": True}, r"^env.grayscale=true: env.id=Film0-v0 shows no picture$"),
        (Box(0, 1, (4,)), {"resize": "84"}, r"^env.resize=84: env.id=Film0-v0 shows no picture$"),
        (Box(0, 255, (84, 84, 1), np.uint8), {"grayscale": True}, "pictures of 1 channels, not of red, green"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_to_observations_is_refused(
    space: Any, options: dict, message: str, played: Callable
) -> None:
    with pytest.raises(UserError, match=message):
        played(space, **options)


@pytest.mark.parametrize(
    ("resize", "reason"),
    [*((text, "must be auto, null, a side such as 84") for text in ("84x", "x84", "-3", "big", "84x84x3", "1.5", "")),
     *((text, "sides must be at least 28") for text in ("0", "27", "84x20"))],
)  # fmt: skip
def test_a_size_is_a_side_or_two(resize: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"^env.resize={resize}: {reason}"):
        schemas.check(gym.Config(id="CartPole-v1", resize=resize), "env.")


def test_running_episodes_with_a_stack_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def rooms(**_: Any) -> Any:
        return ImgObsWrapper(RGBImgPartialObsWrapper(DoorKeyEnv(size=5), tile_size=6))

    gymnasium.register(id="PixelDoorKey-v0", entry_point=rooms, max_episode_steps=20)
    try:
        config = gym.Config(id="PixelDoorKey-v0", grayscale=True, resize="36", frame_stack=4)
        env, twin = (gym.make(config, Levels(2)) for _ in range(2))
    finally:
        del gymnasium.registry["PixelDoorKey-v0"]
    assert env.spec.restorable and env.spec.obs["image"].shape == (36, 36, 4)
    env.reset([1, 2])
    actions = np.random.default_rng(0).integers(3, size=(40, 2))
    for action in actions[:27]:  # into the second episodes
        env.step(action)
    twin.reset([5, 6])
    twin.set_state(env.get_state())
    for action in actions[27:]:
        one, other = env.step(action), twin.step(action)
        np.testing.assert_array_equal(one.obs["image"], other.obs["image"])
        np.testing.assert_array_equal(one.next_obs["image"], other.next_obs["image"])


def composed(*overrides: str) -> Any:
    return compose(["env=gym", *overrides])


def test_a_setting_says_how_pictures_are_read(film: Callable[..., str]) -> None:
    frames, car, small = (film(Box(0, 255, shape, np.uint8)) for shape in ((210, 160, 3), (96, 96, 3), (32, 32, 3)))
    found = composed(f"env.id={frames}")
    assert (found.config.env.resize, found.config.agent.network) == ("84x84", "cnn")
    assert found.labels["env"] == frames and found.labels["agent"] == "ppo"
    assert composed(f"env.id={small}").config.agent.network == "impala"
    assert composed(f"env.id={car}").config.env.resize == "auto"
    whole = composed(f"env.id={frames}", "env.resize=null")
    assert whole.labels["env"] == f"{frames}-resize=null" and whole.setting_id != found.setting_id
    # What is meant anyway may be said.
    for same in (["env.resize=84x84"], ["agent.network=cnn"], ["agent.network=cnn", "env.resize=auto"]):
        assert composed(f"env.id={frames}", *same).folder == found.folder
    for other in ("mlp", "impala"):
        told = composed(f"env.id={frames}", f"agent.network={other}")
        assert told.setting_id != found.setting_id and told.labels["agent"] == f"ppo-network={other}"
    assert composed(f"env.id={frames}", "env.resize=30").config.agent.network == "impala"


@pytest.mark.parametrize("agent", ["ppo", "dqn", "sac"])
@pytest.mark.parametrize("env", [["env=gym", "env.id=CartPole-v1"], ["env=doorkey_5x5"]])
def test_settings_without_pictures_are_what_they_were(agent: str, env: list[str]) -> None:
    """Their network was called mlp when there was nothing else to say."""
    found, told = (compose([*env, f"agent={agent}", *more]) for more in ([], ["agent.network=mlp"]))
    assert found.config.agent.network == "mlp" and found.labels["agent"] == agent
    assert (found.setting_id, found.folder) == (told.setting_id, told.folder)
    assert found.config.env.revision(found.config) == 0


def test_pictures_stay_bytes_in_rollouts_and_buffers(film: Callable[..., str]) -> None:
    config = composed(f"env.id={film(COLOURS)}", "agent=dqn", "num_envs=2", "frames=100", "env.frame_stack=2").config
    parts = build(config)
    learning = make_learning(config, parts)
    rollout = learning.collector.collect(3, parts.generators.torch_rngs["act"])
    assert rollout.obs["image"].dtype == rollout.next_obs["image"].dtype == torch.uint8
    learning.iterate(0)
    kept = learning._replay._steps
    assert kept["obs.image"].dtype == kept["next_obs.image"].dtype == torch.uint8
    assert kept["obs.image"].shape == (102, 84, 84, 6)  # no room for more than is played


def weights(tree: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from weights(item, f"{path}.{key}")
    elif isinstance(tree, torch.Tensor) and tree.dim() == 2 and path.endswith("weight"):
        yield path, tree


# They need demonstrations, goals, replay, a solver or tables.
FIT_NOT = {
    *(
        "oni",
        "progress_counts",
        "written",
        "airl",
        "calm",
        "drs",
        "ellm",
        "exprd",
        "gail",
        "goal_embedding",
        "her",
        "otr",
        "partial_credit",
        "pbrs",
        "perceptual_steps",
        "polar",
        "preference",
        "sqil",
        "teacher",
        "terms",
        "vpl",
    ),
}


@pytest.mark.parametrize("scheme", sorted(discovery.plugins("reward")))
def test_no_scheme_reads_a_flattened_picture(scheme: str, film: Callable[..., str]) -> None:
    line = [f"env.id={film(COLOURS)}", f"reward={scheme}", "num_envs=2", "frames=1e6"]
    if scheme in ("agac", "count", "explors", "first_visits", "noveld", "ride"):
        line.append("reward.key=simhash")
    try:
        parts = build(composed(*line).config)
    except UserError:
        assert scheme in FIT_NOT
        return
    assert scheme not in FIT_NOT
    wide = [path for path, weight in weights(parts.scheme.state_dict()) if weight.shape[1] >= 84 * 84]
    assert not wide
