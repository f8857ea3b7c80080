"""Privileged facts against slow recomputations from the state."""

import gymnasium
import numpy as np
import pytest

from rewardlab.envs.grids.facts import hash_words, state_words
from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.constants import DOOR, LAVA, WALL

IDS = ("MiniGrid-KeyCorridorS4R3-v0", "MiniGrid-ObstructedMaze-2Dlhb-v0", "MiniGrid-LavaCrossingS9N2-v0")


def _busy(env_id: str, steps: int = 200, num_envs: int = 6):
    envs = make_vec(env_id, num_envs)
    envs.reset(seed=0)
    for actions in np.random.default_rng(0).integers(0, envs.single_action_space.n, (steps, num_envs)):
        envs.step(actions)
    return envs


def _reachable(cells: np.ndarray, start: tuple[int, int], block: tuple[int, ...]) -> set[tuple[int, int]]:
    seen, edge = {start}, [start]
    while edge:
        x, y = edge.pop()
        for to in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            inside = 0 <= to[0] < cells.shape[1] and 0 <= to[1] < cells.shape[0]
            if inside and to not in seen and cells[to[1], to[0], 0] not in block:
                seen.add(to)
                edge.append(to)
    return seen


@pytest.mark.parametrize("env_id", IDS)
def test_facts_equal_what_the_state_says(env_id: str) -> None:
    envs = _busy(env_id)
    facts, state = envs.privileged(), envs.get_state()
    assert np.array_equal(facts["agent"], state["agent"])
    assert np.array_equal(facts["carried"], state["carried"])
    for i, cells in enumerate(state["cells"]):
        things = [
            [*cells[y, x, :3].tolist(), x, y]
            for y in range(cells.shape[0])
            for x in range(cells.shape[1])
            if cells[y, x, 0] in (4, 5, 6, 7, 8)
        ]
        listed = facts["objects"][i]
        assert listed[listed[:, 0] >= 0].tolist() == things
        reachable = _reachable(cells, tuple(state["agent"][i, :2].tolist()), (WALL, LAVA))
        visited = {(x, y) for y, x in np.argwhere(state["visited"][i])}
        assert facts["cells_visited"][i] == len(visited & reachable) / len(reachable)


def test_rooms_are_counted_at_doors_and_gaps() -> None:
    envs = make_vec("MiniGrid-FourRooms-v0", 20)
    envs.reset(seed=0)
    assert set(envs.privileged()["rooms_visited"].tolist()) <= {0.25, 0.0}  # 0: starts in a gap
    chain = make_vec("MiniGrid-MultiRoom-N6-v0", 5)
    chain.reset(seed=0)
    assert chain.privileged()["rooms_visited"].tolist() == [1 / 6] * 5


def test_visits_count_up_and_start_anew_with_each_episode() -> None:
    envs = make_vec("MiniGrid-Empty-5x5-v0", 1)
    envs.reset(seed=0)
    assert envs.privileged()["cells_visited"][0] == 1 / 9
    for action, share in ((2, 2), (2, 3), (1, 3), (2, 4)):
        envs.step([action])
        assert envs.privileged(["cells_visited"])["cells_visited"][0] == share / 9
    *_, terminated, _, _ = envs.step([2])
    assert terminated[0] and envs.privileged()["cells_visited"][0] == 1 / 9


def test_hashes_tell_states_apart_and_nothing_else() -> None:
    envs = make_vec("MiniGrid-ObstructedMaze-1Dlh-v0", 40)
    envs.reset(seed=0)
    by_hash: dict[int, bytes] = {}
    for actions in np.random.default_rng(0).integers(0, 7, (300, 40)):
        envs.step(actions)
        state = envs.get_state()
        parts = [state[name] for name in ("cells", "agent", "carried", "mission", "registers")]
        for i, number in enumerate(envs.privileged(["state_hash"])["state_hash"].tolist()):
            full = b"".join(part[i].tobytes() for part in parts)
            assert by_hash.setdefault(number, full) == full
    assert len(by_hash) == len(set(by_hash.values())) > 1000


def test_hashes_are_those_of_the_reference_backend() -> None:
    envs = make_vec("MiniGrid-DoorKey-5x5-v0", 2)
    envs.reset(seed=0)
    worlds = [gymnasium.make("MiniGrid-DoorKey-5x5-v0").unwrapped for _ in range(2)]
    for seed, world in enumerate(worlds):
        world.reset(seed=seed)
    assert envs.privileged()["state_hash"].tolist() == [hash_words(state_words(world)) for world in worlds]


def test_unknown_fields_are_refused() -> None:
    envs = _busy(IDS[0], steps=1, num_envs=1)
    with pytest.raises(UserError, match="did you mean objects"):
        envs.privileged(["object"])
    assert list(envs.privileged(["objects", "agent"])) == ["objects", "agent"]
    assert DOOR == 4


def test_a_situation_is_place_load_doors_and_what_lies_about():
    """Two states have the same situation where a recomputation from the arrays says so, and only there."""
    key, ball, box, door, locked = 5, 6, 7, 4, 2
    engine = make_vec("MiniGrid-ObstructedMaze-2Dlhb-v1", 64, levels=2)
    engine.reset(seed=1)
    rng, named, keys = np.random.default_rng(0), [], []
    for _ in range(60):
        engine.step(rng.choice([0, 1, 2, 2, 3, 4, 5], size=64))
        state = engine.get_state()
        for cells, agent, carried in zip(state["cells"], state["agent"], state["carried"], strict=True):
            doors, lying = [], []
            for y, x in np.argwhere(np.isin(cells[..., 0], (key, box, door))):
                if cells[y, x, 0] == door:
                    beside = {int(cells[y + dy, x + dx, 0]) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))}
                    doors.append((y, x, cells[y, x, 2] == locked, bool(beside & {key, ball, box})))
                else:
                    lying.append(tuple(cells[y, x].tolist()))
            named.append((tuple(agent[:2].tolist()), tuple(carried.tolist()), tuple(doors), tuple(sorted(lying))))
        keys += engine.privileged(["situation"])["situation"].tolist()
    pairs = set(zip(named, keys, strict=True))
    assert len(pairs) == len(set(named)) == len(set(keys))
    assert len({name[1] for name in named}) > 1 and len({name[3] for name in named}) > 1
