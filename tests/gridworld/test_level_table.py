"""Levels as exact tables, against the exact solver and the engine itself."""

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.level_table import table_of_level
from rewardlab.gridworld.solver import solve
from rewardlab.maths.tables import best_actions


@pytest.mark.parametrize(
    ("env_id", "levels"),
    [
        ("MiniGrid-Empty-6x6-v0", (0,)),
        ("MiniGrid-DoorKey-5x5-v0", (0, 1, 2)),
        ("MiniGrid-LavaGapS5-v0", (4,)),  # which may end without success
        ("MiniGrid-GoToDoor-5x5-v0", (5, 6)),  # where success leaves the grid as it is
    ],
)
def test_the_shortest_way_is_the_solvers_from_every_state(env_id, levels):
    """With a discount, the value of a state is gamma^(steps - 1)."""
    for level in levels:
        table, gamma = table_of_level(env_id, level), 0.9
        mdp = table.mdp()
        worth = best_actions(mdp, mdp.reward, gamma)[0].max(axis=1)
        env = make_vec(env_id, 1)
        env.reset(seed=level)
        assert table.shortest == solve(env_id, env.get_state()).steps
        for state in range(0, len(worth), max(1, len(worth) // 10)):
            steps = solve(env_id, table.places, state).steps
            assert worth[state] == pytest.approx(0.0 if steps is None else gamma ** (steps - 1), rel=1e-9, abs=1e-12)


def test_the_engine_goes_where_the_table_says():
    table = table_of_level("MiniGrid-DoorKey-5x5-v0", 3)
    states, actions = table.following.shape
    env = make_vec("MiniGrid-DoorKey-5x5-v0", states * actions, levels=[3], autoreset=False)
    env.reset(seed=0)
    env.set_state({name: np.repeat(entry[:states], actions, axis=0) for name, entry in table.places.items()})
    _, reward, terminated, _, _ = env.step(np.tile(np.arange(actions), states))
    after, led = env.get_state(), table.following.ravel()
    for name in ("cells", "agent", "carried", "registers"):
        np.testing.assert_array_equal(after[name], table.places[name][led])
    np.testing.assert_array_equal(terminated, led >= states)
    np.testing.assert_array_equal(reward > 0, table.reward().ravel() == 1)


def test_what_is_no_table_is_refused():
    with pytest.raises(UserError, match="chance has a part"):
        table_of_level("MiniGrid-Dynamic-Obstacles-5x5-v0", 0)
    with pytest.raises(UserError, match="more than 100 states"):
        table_of_level("MiniGrid-DoorKey-5x5-v0", 0, most=100)
