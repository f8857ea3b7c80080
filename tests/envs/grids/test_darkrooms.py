"""NoisyDarkRooms: its levels as described, moves beside Farama's own code, noise until a box is toggled, and what it
tells of an episode.
"""

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.envs.grids import darkrooms
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import ROOMS, SILENCED
from rewardlab.gridworld.constants import BOX, CLOSED, DOOR, FLOOR, FORWARD, NOTHING, PICKUP, TOGGLE, WALL
from rewardlab.gridworld.families.darkrooms import DARK, FIRST, KIND, LAST, NOISY
from rewardlab.gridworld.families.darkrooms import SILENCED as QUIET
from rewardlab.gridworld.reference import build as thing
from rewardlab.gridworld.reference import make_reference
from rewardlab.schemas import check
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator
from rewardlab.types import ActOutput

SIDE = 25
AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))


def make(num_envs, privileged=()):
    return darkrooms.make(darkrooms.Config(), Levels(num_envs), privileged)


def world(env):
    return env._vector.world


def cells(env, i=0):
    """uint8 [H, W, 4]."""
    return world(env).cells.view(np.uint8).reshape(-1, SIDE, SIDE, 4)[i]


def rooms(env, i=0):
    """Of each room its inside, as slices of rows and columns, and its kind."""
    facts = world(env).facts[i]
    for k in range(4):
        (top, left), (bottom, right) = divmod(facts[FIRST + k], SIDE), divmod(facts[LAST + k], SIDE)
        yield np.s_[top : bottom + 1, left : right + 1], facts[KIND + k]


def test_levels_are_four_rooms_each_dark_or_noisy() -> None:
    env, noisy, sides = make(400), 0, set()
    env.reset(range(400))
    for i in range(400):
        grid = cells(env, i)
        doors = grid[grid[..., 0] == DOOR]
        assert len(doors) == 3 and (doors[:, 2] == CLOSED).all()
        standing = np.zeros((SIDE, SIDE), dtype=bool)
        standing[tuple(world(env).facts[i, [1, 0]])] = True
        for k, (inside, kind) in enumerate(rooms(env, i)):
            kinds = grid[inside][..., 0]
            sides |= {side + 2 for side in kinds.shape}
            assert kind in (DARK, NOISY)
            noisy += kind == NOISY
            if kind == DARK:
                assert (kinds == NOTHING).all()
            else:
                assert sorted(kinds.reshape(-1)) == [FLOOR] * (kinds.size - 1) + [BOX]
                assert not (standing[inside] & (kinds == BOX)).any()
            assert standing[inside].any() == (k == 0)
        assert set(np.unique(grid[..., 0])) <= {NOTHING, WALL, FLOOR, DOOR, BOX}
    assert sides == {4, 5, 6, 7, 8}
    assert abs(noisy / 1600 - 0.5) < 4 * 0.5 / 1600**0.5


def test_moves_and_views_are_farama_s() -> None:
    env, rng, twins = make(4), np.random.default_rng(0), [make_reference("NoisyDarkRooms") for _ in range(4)]
    obs, toggled = env.reset(range(4)), 0

    def show(i, moved):
        twin, state = twins[i], {name: array[i] for name, array in env._vector.get_state().items()}
        for y, x in np.ndindex(SIDE, SIDE):
            twin.grid.set(x, y, thing(state["cells"][y, x]))
        if not moved:
            column, row, direction = (int(number) for number in state["agent"])
            twin.agent_pos, twin.agent_dir, twin.carrying, twin.step_count = np.array((column, row)), direction, None, 0

    for i, twin in enumerate(twins):
        twin.reset(seed=0)
        show(i, moved=False)
    for _ in range(150):
        actions = rng.choice(7, size=4, p=[0.15, 0.15, 0.45, 0.03, 0.03, 0.16, 0.03])
        batch = env.step(actions)
        for i, twin in enumerate(twins):
            before = twin.grid.get(*twin.front_pos)
            toggled += actions[i] == TOGGLE and before is not None and before.type in ("door", "box")
            twin.step(6 if actions[i] == PICKUP else int(actions[i]))  # nothing can be picked up
            ended = batch.truncated[i]
            kept = twin.grid.get(*twin.front_pos)
            assert ended or (kept is None or kept.type) == (thing_ahead(env, i) is None or thing_ahead(env, i).type)
            show(i, moved=not ended)
            np.testing.assert_array_equal(batch.obs["image"][i], twin.gen_obs()["image"])
        assert not batch.task_reward.any() and not batch.terminated.any()
        obs = batch.obs
    assert toggled > 1 and obs["image"].any()


def thing_ahead(env, i):
    column, row, direction = world(env).facts[i, :3]
    right, down = AHEAD[direction]
    return thing(cells(env, i)[row + down, column + right])


def test_colours_change_at_every_step_until_the_box_of_the_room_is_toggled() -> None:
    env = make(1, (SILENCED,))
    seed = next(seed for seed in range(100) if [kind for _, kind in resets(env, seed)] == [NOISY, NOISY, DARK, NOISY])
    env.reset([seed])
    stand_before_the_box(env)
    (first, _), (second, _), *_ = rooms(env)
    counts, previous = np.zeros(6), cells(env)[second][..., 1].copy()
    changed, total = 0, 0
    for _ in range(60):
        batch = env.step(np.array([PICKUP]))
        colours = cells(env)[second][..., 1]
        floor = cells(env)[second][..., 0] == FLOOR
        counts += np.bincount(colours[floor], minlength=6)
        changed += (colours != previous)[floor].sum()
        total += floor.sum()
        previous = colours.copy()
        assert (cells(env)[second][..., 0] == BOX).sum() == 1 and batch.privileged[SILENCED][0] == 0
        assert (cells(env)[first][..., 0] == BOX).sum() == 1  # it was not picked up
    assert abs(changed / total - 5 / 6) < 4 * (5 / 36 / total) ** 0.5
    assert ((counts - total / 6) ** 2 / (total / 6)).sum() < 25  # chi squared, 5 degrees of freedom: 1 in 7,000
    batch = env.step(np.array([TOGGLE]))
    quiet = cells(env)[first].copy()
    assert batch.privileged[SILENCED][0] == 1
    assert (quiet[..., 0] == BOX).sum() == 0
    for _ in range(3):
        batch = env.step(np.array([TOGGLE]))
        np.testing.assert_array_equal(cells(env)[first], quiet)
        assert (cells(env)[second][..., 1] != previous).any()
        previous = cells(env)[second][..., 1].copy()
    assert batch.privileged[SILENCED][0] == 1
    assert [kind for _, kind in rooms(env)] == [QUIET, NOISY, DARK, NOISY]


def resets(env, seed):
    env.reset([seed])
    return rooms(env)


def stand_before_the_box(env):
    inside, _ = next(rooms(env))
    y, x = np.argwhere(cells(env)[inside][..., 0] == BOX)[0] + (inside[0].start, inside[1].start)
    direction = next(d for d, (right, down) in enumerate(AHEAD) if cells(env)[y - down, x - right][0] == FLOOR)
    right, down = AHEAD[direction]
    state = env._vector.get_state()
    env._vector.set_state({"agent": np.array([[x - right, y - down, direction]], dtype=state["agent"].dtype)})


def test_rooms_visited_are_those_that_doors_part() -> None:
    """Beside what the engine finds by following ways: the share of rooms, cut at doors, with a visited cell."""
    env, rng = make(64, (ROOMS,)), np.random.default_rng(2)
    env.reset(range(64))
    most = np.zeros(64, dtype=int)
    for _ in range(127):
        batch = env.step(rng.choice([0, 1, FORWARD, TOGGLE], size=64, p=[0.1, 0.1, 0.5, 0.3]))
        most = np.maximum(most, batch.privileged[ROOMS])
    np.testing.assert_allclose(batch.privileged[ROOMS], 4 * env._vector.privileged(["rooms_visited"])["rooms_visited"])
    np.testing.assert_array_equal(batch.privileged[ROOMS], most)  # they are never forgotten
    assert set(most) >= {1, 2, 3}
    begun = env.step(np.zeros(64, dtype=int))
    assert begun.truncated.all()
    np.testing.assert_array_equal(env.privileged()[ROOMS], 1)


class Roaming:
    """Random moves that open doors and boxes, the same whenever it is asked."""

    row_policy = None

    def initial_state(self, num_envs):
        self.rng = np.random.default_rng(3)
        return None

    def act(self, obs, state, first, mode, rng):
        chosen = self.rng.choice([0, 1, FORWARD, TOGGLE], size=len(first), p=[0.1, 0.1, 0.5, 0.3])
        return ActOutput(torch.from_numpy(chosen), None)


def test_evaluations_tell_rooms_at_the_end_of_episodes() -> None:
    config = compose(["env=darkrooms", "frames=1000", "num_envs=2", "eval.episodes=20"]).config
    parts = build(config)
    found = Evaluator(config, parts.env.spec).evaluate(Roaming(), 0, lambda: False)
    env, agent = make(20, (ROOMS, SILENCED)), Roaming()
    env.reset(config.env.evaluation_seeds(20))
    agent.initial_state(20)
    for _ in range(128):
        batch = env.step(agent.act({}, None, np.zeros(20), "sample", None).action.numpy())
    assert batch.truncated.all()
    row = found.row()
    for name in (ROOMS, SILENCED):
        assert row[f"{name}_mean"] == batch.privileged[name].mean() > 0
    assert row["return_mean"] == 0 and row["success_rate"] is None and row["cells_mean"] > 1


def made(overrides):
    config = compose(["env=darkrooms", "frames=1000", *overrides]).config
    check(config)
    return build(config)


def test_refusals_are_one_line() -> None:
    for overrides, said in (
        (["env.id=DarkRooms"], "NoisyDarkRooms"),
        (["env.backend=reference"], "env.backend=reference: nobody else has this world"),
        (["reward=pbrs"], "distance"),
    ):
        with pytest.raises(UserError) as refused:
            made(overrides)
        assert said in str(refused.value) and "\n" not in str(refused.value)
