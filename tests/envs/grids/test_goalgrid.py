"""Goal tasks on the fast engine: the moves beside Farama's own code, the goals beside the engine's full state."""

import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs.grids import goalgrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.gridworld.catalogue import GOAL_TASKS
from rewardlab.gridworld.constants import BALL, KEY
from rewardlab.gridworld.reference import build, make_reference

IDS = sorted(GOAL_TASKS)


def make(task: str, num_envs: int = 4, **options):
    return goalgrid.make(goalgrid.Config(id=task), Levels(num_envs), **options)


def engine(env):
    return env._vector


@pytest.mark.parametrize("task", IDS)
def test_moves_and_views_are_farama_s(task: str) -> None:
    """Each level is put into Farama's environment of the same rooms; views, and ends other than by the goal, agree."""
    env, rng, compared = make(task), np.random.default_rng(0), 0
    twins = [make_reference(task) for _ in range(4)]
    for twin in twins:
        twin.reset(seed=0)
    obs = env.reset([1, 2, 3, 4])

    def put(i: int) -> None:
        state = {name: array[i] for name, array in engine(env).get_state().items()}
        for y, x in np.ndindex(*state["cells"].shape[:2]):
            twins[i].grid.set(x, y, build(state["cells"][y, x]))
        column, row, direction = (int(number) for number in state["agent"])
        twins[i].agent_pos, twins[i].agent_dir, twins[i].carrying = np.array((column, row)), direction, None

    for i in range(4):
        put(i)
    for _ in range(400):
        for i, twin in enumerate(twins):
            np.testing.assert_array_equal(obs["image"][i], twin.gen_obs()["image"])
        actions = rng.integers(env.spec.action.n, size=4)
        batch = env.step(actions)
        for i, twin in enumerate(twins):
            twin.step(int(actions[i]))
            np.testing.assert_array_equal(batch.next_obs["image"][i], twin.gen_obs()["image"])
            if batch.terminated[i] or batch.truncated[i]:
                put(i)
                compared += 1
        obs = batch.obs
    assert compared > 4


@pytest.mark.parametrize("task", ["GoalGrid-Empty-8x8", "GoalGrid-FourRooms"])
def test_the_goal_is_a_free_cell_elsewhere_and_what_is_achieved_is_where_the_agent_is(task: str) -> None:
    env, rng, goals, reached = make(task, 64), np.random.default_rng(1), set(), 0
    width, height = GOAL_TASKS[task].width, GOAL_TASKS[task].height
    obs = env.reset(range(64))
    for _ in range(300):
        batch = env.step(rng.integers(3, size=64))
        done = batch.terminated | batch.truncated
        at = engine(env).get_state()["agent"]  # after resets
        for shown in (obs, batch.next_obs):
            assert (shown["goal"].sum(axis=1) == 2).all() and (shown["achieved"].sum(axis=1) == 2).all()
        column, row = batch.obs["achieved"][:, :width].argmax(axis=1), batch.obs["achieved"][:, width:].argmax(axis=1)
        np.testing.assert_array_equal(np.stack([column, row], axis=1), at[:, :2])
        np.testing.assert_array_equal(batch.obs["vector"][:, : width + height], batch.obs["achieved"])
        np.testing.assert_array_equal(batch.obs["vector"][:, width + height :].argmax(axis=1), at[:, 2])
        hit = (batch.next_obs["goal"] == batch.next_obs["achieved"]).all(axis=1)
        np.testing.assert_array_equal(batch.terminated, hit)
        np.testing.assert_array_equal(batch.success, hit)
        np.testing.assert_array_equal(batch.task_reward, hit)
        reached += int(hit.sum())
        fresh = np.flatnonzero(done)
        assert not (batch.obs["goal"][fresh] == batch.obs["achieved"][fresh]).all(axis=1).any()
        cells = engine(env).get_state()["cells"]
        for i in fresh:
            x, y = batch.obs["goal"][i, :width].argmax(), batch.obs["goal"][i, width:].argmax()
            assert cells[i, y, x].tolist() == [1, 0, 0, 0]  # looks empty, and is
            goals.add((int(x), int(y)))
        obs = batch.obs
    assert reached > 5 and len(goals) > 20


def test_fetching_another_object_ends_nothing_and_the_goal_is_one_that_is_there() -> None:
    env, rng = make("GoalGrid-Fetch-8x8-N3", 64), np.random.default_rng(2)
    obs = env.reset(range(64))
    carried_other = reached = dropped = 0
    for _ in range(400):
        batch = env.step(rng.integers(5, size=64))
        held, goal = batch.next_obs["achieved"].argmax(axis=1), batch.next_obs["goal"].argmax(axis=1)
        np.testing.assert_array_equal(batch.terminated, held == goal)
        assert (goal > 0).all()
        carried_other += int(((held > 0) & (held != goal)).sum())
        dropped += int(((obs["achieved"].argmax(axis=1) > 0) & (held == 0)).sum())
        reached += int(batch.terminated.sum())
        state = engine(env).get_state()
        for i in np.flatnonzero(batch.terminated | batch.truncated):
            there = {(int(c[0]), int(c[1])) for c in state["cells"][i].reshape(-1, 4) if c[0] in (KEY, BALL)}
            number = int(batch.obs["goal"][i].argmax()) - 1
            assert (KEY + number // 6, number % 6) in there
        obs = batch.obs
    assert carried_other > 50 and dropped > 10 and reached > 20


def test_a_picture_shows_the_goal_cell() -> None:
    env = make("GoalGrid-Empty-8x8", 1, privileged=("picture",))
    obs = env.reset([3])
    picture = env.privileged()["picture"][0]
    side = picture.shape[0] // 8
    x, y = int(obs["goal"][0, :8].argmax()), int(obs["goal"][0, 8:].argmax())
    red, green, blue = (int(colour) for colour in picture[y * side + side // 2, x * side + side // 2])
    assert green > 150 and red < 120 and blue < 120
    assert engine(env).get_state()["cells"][0, y, x, 0] == 1, "drawn, and not put into the world"


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"id=GoalGrid-Empty-9x9: no such task with goals; did you mean GoalGrid-"):
        schemas.check(goalgrid.Config(id="GoalGrid-Empty-9x9"), "env.")
