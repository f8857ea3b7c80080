"""The vector environment: gymnasium's contract, seeding, level lists, observation options, refusals."""

import gymnasium
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from rewardlab.errors import UserError
from rewardlab.gridworld import covers, env_ids, make_vec
from rewardlab.gridworld.catalogue import TASKS

DOORKEY = "MiniGrid-DoorKey-6x6-v0"
PUTNEAR = "MiniGrid-PutNear-6x6-N2-v0"  # short episodes, missions that vary


def actions_of(envs: VectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, envs.single_action_space.n, (steps, envs.num_envs))


def test_catalogue_holds_what_farama_registers() -> None:
    grids = ("MiniGrid-", "BabyAI-")
    registered = {name for name in gymnasium.registry if name.startswith(grids) and "WFC" not in name}
    classic = {f"MiniGrid-MultiRoom-{size}-v0" for size in ("N7-S4", "N7-S8", "N10-S4", "N10-S10", "N12-S10")}
    assert set(env_ids()) == registered | classic
    assert covers(DOORKEY) and not covers("MiniGrid-WFC-MazeSimple-v0")


@pytest.mark.parametrize("env_id", env_ids())
def test_catalogue_has_faramas_numbers(env_id: str) -> None:
    from rewardlab.gridworld.reference import make_reference

    env, task = make_reference(env_id), TASKS[env_id]
    assert (env.width, env.height) == (task.width, task.height)
    assert env.max_steps == task.max_steps or (env.max_steps == 0 and env_id.startswith("BabyAI-"))  # by instruction
    assert (env.see_through_walls, int(env.action_space.n)) == (task.see_through, task.num_actions)


def test_everything_returned_looks_like_gymnasiums_own_vector_environment() -> None:
    same = {"autoreset_mode": AutoresetMode.SAME_STEP}
    theirs = gymnasium.make_vec(PUTNEAR, 3, vectorization_mode="sync", vector_kwargs=same)
    mine = make_vec(PUTNEAR, 3)
    assert isinstance(mine, VectorEnv) and mine.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert mine.single_action_space == theirs.single_action_space
    for space in ("image", "direction"):
        assert mine.single_observation_space[space] == theirs.single_observation_space[space]
        assert mine.observation_space[space] == theirs.observation_space[space]
    pairs = [(mine.reset(seed=5), theirs.reset(seed=5))]
    for actions in actions_of(mine, 70):
        pairs.append((mine.step(actions), theirs.step(actions)))
    finished = 0
    for ours, other in pairs:
        assert mine.observation_space.contains(ours[0])
        for key in ("image", "direction"):
            assert np.array_equal(ours[0][key], other[0][key]) and ours[0][key].dtype == other[0][key].dtype
        assert ours[0]["mission"] == other[0]["mission"]
        for a, b in zip(ours[1:-1], other[1:-1], strict=True):
            assert np.array_equal(a, b) and a.dtype == b.dtype
        assert set(ours[-1]) == set(other[-1])
        if ours[-1]:
            finished += 1
            assert np.array_equal(ours[-1]["_final_obs"], other[-1]["_final_obs"])
            for a, b in zip(ours[-1]["final_obs"], other[-1]["final_obs"], strict=True):
                assert (a is None) == (b is None)
                assert a is None or all(np.array_equal(a[key], b[key]) for key in b)
    assert finished > 3


def test_observations_are_not_overwritten_by_later_steps() -> None:
    envs = make_vec(DOORKEY, 4)
    first, _ = envs.reset(seed=0)
    kept = first["image"].copy()
    for actions in actions_of(envs, 5):
        envs.step(actions)
    assert np.array_equal(first["image"], kept)


def test_seeds_are_read_as_gymnasium_reads_them() -> None:
    envs = make_vec(DOORKEY, 3)
    one = envs.reset(seed=7)[0]["image"]
    assert np.array_equal(one, envs.reset(seed=[7, 8, 9])[0]["image"])
    envs.reset(seed=7)
    going_on = envs.reset()[0]["image"]
    envs.reset(seed=[7, 8, 1])
    assert np.array_equal(going_on[:2], envs.reset(seed=[None, None, 4])[0]["image"][:2])
    assert np.array_equal(make_vec(DOORKEY, 1).reset(seed=0)[0]["image"], envs.reset(seed=0)[0]["image"][:1])


def test_without_automatic_resets_the_same_episodes_follow_each_other() -> None:
    auto, manual = make_vec(PUTNEAR, 3), make_vec(PUTNEAR, 3, autoreset=False)
    assert manual.metadata["autoreset_mode"] == AutoresetMode.DISABLED
    auto.reset(seed=0), manual.reset(seed=0)
    finished = 0
    for actions in actions_of(auto, 120):
        ours, theirs = manual.step(actions), auto.step(actions)
        over = ours[2] | ours[3]
        for a, b in zip(ours[1:4], theirs[1:4], strict=True):
            assert np.array_equal(a, b)
        for i in np.flatnonzero(over):
            finished += 1
            final = theirs[-1]["final_obs"][i]
            assert np.array_equal(final["image"], ours[0]["image"][i]) and final["mission"] == ours[0]["mission"][i]
        assert ours[-1] == {}
        observation = ours[0]
        if over.any():
            with pytest.raises(UserError, match="reset it first"):
                manual.step(actions)
            observation, _ = manual.reset(options={"reset_mask": over})
        assert np.array_equal(observation["image"], theirs[0]["image"])
        assert observation["mission"] == theirs[0]["mission"]
    assert finished > 5


def test_unseeded_environments_differ() -> None:
    first, second = (make_vec("MiniGrid-FourRooms-v0", 4) for _ in range(2))
    first.reset(), second.reset()
    assert not np.array_equal(first.get_state()["streams"], second.get_state()["streams"])


def test_reset_mask_resets_only_some() -> None:
    envs = make_vec(DOORKEY, 3)
    envs.reset(seed=1)
    envs.step([2, 2, 2])
    before = envs.get_state()
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    after = envs.get_state()
    assert after["steps"].tolist() == [1, 0, 1]
    assert np.array_equal(before["cells"][[0, 2]], after["cells"][[0, 2]])


def test_level_lists_play_the_given_levels_in_order_then_go_on() -> None:
    envs, plain = make_vec(PUTNEAR, 2), make_vec(PUTNEAR, 1)
    envs.reset(seed=0)
    lists = np.array([[100, 101, 102], [200, 100, 101]])
    envs.set_levels(lists)
    envs.reset()
    seen = [[int(seed)] for seed in envs.level_of]
    for actions in actions_of(envs, 200):
        *_, terminated, truncated, _ = envs.step(actions)
        state = envs.get_state()
        for i in np.flatnonzero(terminated | truncated):
            seen[i].append(int(envs.level_of[i]))
            if envs.level_of[i] >= 0:
                plain.reset(seed=int(envs.level_of[i]))
                assert np.array_equal(plain.get_state()["cells"][0], state["cells"][i])
    assert [entry[:3] for entry in seen] == lists.tolist()
    # Used up: the streams go on, as they do after reset(seed=level).
    assert all(level == -1 for entry in seen for level in entry[3:]) and len(seen[0]) > 3


def test_fixed_levels_are_few_and_all_are_played() -> None:
    envs = make_vec(PUTNEAR, 8, levels=[3, 14, 15])
    envs.reset(seed=0)
    levels = set(envs.level_of.tolist())
    for actions in actions_of(envs, 60):
        envs.step(actions)
        levels |= set(envs.level_of.tolist())
    assert levels == {3, 14, 15}
    assert set(make_vec(PUTNEAR, 1, levels=1).level_of.tolist()) == {-1}
    ahead = make_vec(PUTNEAR, 1, levels=1)
    ahead.reset(seed=9)
    assert ahead.level_of.tolist() == [0]


def test_full_observation_equals_faramas_wrapper() -> None:
    from minigrid.wrappers import FullyObsWrapper

    env = FullyObsWrapper(gymnasium.make("MiniGrid-KeyCorridorS3R3-v0"))
    envs = make_vec("MiniGrid-KeyCorridorS3R3-v0", 1, observation="full")
    theirs, mine = env.reset(seed=3)[0]["image"], envs.reset(seed=3)[0]["image"][0]
    assert np.array_equal(theirs, mine)
    for actions in actions_of(envs, 100):
        assert np.array_equal(env.step(int(actions[0]))[0]["image"], envs.step(actions)[0]["image"][0])


@pytest.mark.parametrize(("size", "through"), [(3, False), (5, True), (9, False), (21, False), (31, True)])
def test_view_sizes_and_see_through_walls_equal_faramas(size: int, through: bool) -> None:
    name = "MiniGrid-MultiRoom-N4-S5-v1"
    env = gymnasium.make(name, agent_view_size=size, see_through_walls=through).unwrapped
    envs = make_vec(name, 1, view_size=size, see_through_walls=through)
    theirs, mine = env.reset(seed=3)[0], envs.reset(seed=3)[0]
    for actions in actions_of(envs, 60):
        assert np.array_equal(theirs["image"], mine["image"][0])
        theirs, mine = env.step(int(actions[0]))[0], envs.step(actions)[0]


def test_memory_of_many_environments_is_small() -> None:
    envs = make_vec("MiniGrid-DoorKey-16x16-v0", 4096)
    envs.reset(seed=0)
    arrays = [*envs.world.arrays(), *envs.get_state().values(), envs.observe()["image"]]
    assert sum(array.nbytes for array in arrays) < 100e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_vec("MiniGrid-DorKey-8x8-v0", 1), "did you mean MiniGrid-DoorKey-8x8-v0"),
        (lambda: make_vec("MiniGrid-WFC-MazeSimple-v0", 1), "reference"),
        (lambda: make_vec(DOORKEY, 0), "num_envs=0"),
        (lambda: make_vec(DOORKEY, 1, levels=0), "levels=0"),
        (lambda: make_vec(DOORKEY, 1, levels=[]), "at least one"),
        (lambda: make_vec(DOORKEY, 1, observation="pixels"), "allowed: full, view"),
        (lambda: make_vec(DOORKEY, 1, view_size=4), "odd"),
        (lambda: make_vec(DOORKEY, 1, noise_kind="tele"), "allowed: colours, none, tv"),
        (lambda: make_vec(DOORKEY, 1, noise_kind="tv", noise_amount=3), "8 cells or more"),
        (lambda: make_vec(DOORKEY, 1, noise_kind="colours", noise_amount=2), "at most 1"),
        (lambda: make_vec(DOORKEY, 1, view_sise=7), "view_size"),
        (lambda: make_vec(DOORKEY, 1).step([0]), "call reset first"),
        (lambda: make_vec(DOORKEY, 1).reset(seed=-1), "seed=-1"),
        (lambda: make_vec(DOORKEY, 2).reset(seed=[1]), "2; it has 1"),
        (lambda: make_vec(DOORKEY, 2).reset(options={"mask": 1}), "allowed: reset_mask"),
        (lambda: make_vec(DOORKEY, 2).set_levels([1, 2]), "shape"),
    ],
)
def test_bad_requests_are_refused_with_one_clear_line(call, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("actions", [[7, 0], [-1, 0], [0], [0.0, 1.0], [[0, 1]]])
def test_bad_actions_are_refused_and_change_nothing(actions) -> None:
    envs = make_vec(DOORKEY, 2)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(UserError, match="actions"):
        envs.step(actions)
    after = envs.get_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_gymnasiums_own_wrappers_fit() -> None:
    from gymnasium.wrappers.vector import RecordEpisodeStatistics

    envs = RecordEpisodeStatistics(make_vec(PUTNEAR, 3))
    envs.reset(seed=0)
    lengths = []
    for actions in actions_of(envs, 100):
        *_, infos = envs.step(actions)
        if "episode" in infos:
            lengths += infos["episode"]["l"][infos["_episode"]].tolist()
    assert lengths and max(lengths) <= 30
