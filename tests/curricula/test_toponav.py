"""TopoNav: rooms and the graph against plain recomputations, scores and targets by hand, whole runs on replay."""

import json
import re
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.curricula import toponav
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.maths.rooms import rooms_of, way_in
from rewardlab.maths.topology import candidate_scores, preferred, smdp_target
from rewardlab.parts.option_values import OptionValues
from rewardlab.records import checkpoint
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning import on_policy, replay
from rewardlab.training.learning.base import make_learning
from rewardlab.training.wrappers.goal_env import GoalEnv, ends_of_values
from rewardlab.types import ActionSpec, Asked, Attempts, EnvSpec

COMMON = [
    "env=fourrooms", "reward=none", "num_envs=4", "frames=512", "eval.every=512", "eval.episodes=2",
    "checkpoint.every=128", "curriculum=toponav", "curriculum.patience=9", "agent.hidden=[16]",
]  # fmt: skip
DQN = ["agent=dqn", "agent.n_step=1", "agent.learning_starts=50", "agent.batch_size=32"]
PPO = ["agent=ppo", "agent.streams=joint", "agent.rollout_steps=8", "agent.minibatch_size=16"]
TINY = [*COMMON, *DQN]
FOUR, ROOMS = "MiniGrid-FourRooms-v0", "MiniGrid-MultiRoom-N4-S5-v1"
AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))
LEFT, RIGHT, FORWARD = range(3)


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


def world(env_id: str, seed: int):
    return minigrid.make(minigrid.Config(id=env_id), Levels(1, lists=[[seed, seed]]), ("grid",))


def grid_of(env_id: str, seed: int) -> np.ndarray:
    env = world(env_id, seed)
    env.reset([0])
    return env.privileged()["grid"][0].copy()


def conditioner(gamma: float = 0.9, **options) -> toponav.Conditioner:
    spec = EnvSpec("made-up", {}, ActionSpec(n=7), max_steps=100, privileged=("grid",))
    context = new_context(spec)
    context = type(context)(**{**vars(context), "gamma": gamma})
    return toponav.Conditioner(toponav.Config(name="toponav", **options), context)


def way(grid: np.ndarray, start: tuple[int, int], ends: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The cells of a shortest walk to one of `ends`, past walls and the goal."""
    came, edge = {start: start}, deque([start])
    while edge and not came.keys() & ends:
        at = edge.popleft()
        for right, down in AHEAD:
            to = (at[0] + right, at[1] + down)
            if to not in came and (grid[to][0] not in (2, 8) or (to in ends and grid[to][0] == 8)):
                came[to] = at
                edge.append(to)
    (at,) = came.keys() & ends
    walk = []
    while at != start:
        walk.append(at)
        at = came[at]
    return walk[::-1]


def actions_along(walk: list[tuple[int, int]], at: tuple[int, int], heading: int) -> tuple[list[int], int]:
    actions = []
    for to in walk:
        wanted = AHEAD.index((to[0] - at[0], to[1] - at[1]))
        turns = (wanted - heading) % 4
        actions += [LEFT] if turns == 3 else [RIGHT] * turns
        actions.append(FORWARD)
        at, heading = to, wanted
    return actions, heading


def quadrant(x: int, y: int) -> tuple[bool, bool]:
    return x > 9, y > 9


def test_a_walk_through_four_rooms_makes_a_cycle() -> None:
    """Clockwise and back to the first room, then to the goal: four nodes, four edges, and each step counted once."""
    seed = next(s for s in range(50) if 9 not in np.argwhere(grid_of(FOUR, s)[..., 0] == 10)[0])
    grid, nav = grid_of(FOUR, seed), conditioner(patience=1000)
    env = GoalEnv(world(FOUR, seed), nav, learns=True, gamma=0.9)
    env.reset([0])
    at = tuple(np.argwhere(grid[..., 0] == 10)[0].tolist())
    heading, rooms, walked = int(grid[at][2]), [quadrant(*at)], []
    order = [(False, False), (True, False), (True, True), (False, True)]
    begun = order.index(rooms[0])
    told = []
    take_in = nav.take_in
    nav.take_in = lambda attempts: (told.append(attempts), take_in(attempts))
    for k in range(1, 5):
        wanted = order[(begun + k) % 4]
        cells = {(x, y) for x in range(1, 18) for y in range(1, 18) if 9 not in (x, y) and quadrant(x, y) == wanted}
        # Through the next room alone: the others are walls to the search.
        shut = grid.copy()
        for x in range(1, 18):
            for y in range(1, 18):
                if 9 not in (x, y) and quadrant(x, y) not in (wanted, rooms[-1]):
                    shut[x, y, 0] = 2
        walk = way(shut, at, {cell for cell in cells if grid[cell][0] == 1})
        actions, heading = actions_along(walk, at, heading)
        at = walk[-1]
        rooms.append(wanted)
        for action in actions:
            batch = env.step(np.array([action]))
            walked.append((action, not (batch.terminated | batch.truncated)[0]))
        nav.update()
    assert all(going for _, going in walked)
    assert len(nav.map) == 4 and len(told) == 4
    edges = nav.map.edges()
    assert (edges == edges.T).all() and (edges.sum(axis=0) == 2).all()
    # The agent's rooms 0, 1, 2, 3 are as far as they are from the first: one way round is 0-1-3-2, the other 0-2-3-1.
    features = nav.map.features.argmax(axis=1).tolist()
    assert features in ([0, 1, 3, 2], [0, 2, 3, 1])
    assert int(nav.map.steps.sum()) == len(walked) - 1  # the last doorway is the first room's, which is nearer
    assert int(nav.map.traversed.sum()) == 4
    assert nav.map.visits[:4].tolist() == [2, 1, 1, 1]
    goal = tuple(np.argwhere(grid[..., 0] == 8)[0].tolist())
    actions, _ = actions_along(way(grid, at, {goal}), at, heading)
    steps = []
    for action in actions:
        steps.append(env.step(np.array([action])))
        if (steps[-1].terminated | steps[-1].truncated)[0]:
            break
    last, reward = told[-1], float(steps[-1].task_reward[0])
    assert bool(last.terminated[0]) == bool(steps[-1].terminated[0])
    assert float(last.task_return[0]) == pytest.approx(0.9 ** (int(last.steps[0]) - 1) * reward)


def test_rooms_are_numbered_along_the_way() -> None:
    for seed in range(30):
        grid = grid_of(ROOMS, seed)
        found = rooms_of(grid).reshape(grid.shape[:2])
        (start,), (end,) = (np.argwhere(grid[..., 0] == kind).tolist() for kind in (10, 8))
        along = [int(found[cell]) for cell in [tuple(start), *way(grid, tuple(start), {tuple(end)})]]
        assert along[0] == 0 and along[-1] == 3 and set(np.diff(along)) <= {0, 1}
        assert set(found[grid[..., 0] == 2]) == {-1} and set(found[grid[..., 0] == 4]) == {0, 1, 2}
    for seed in range(30):
        grid = grid_of(FOUR, seed)
        found = rooms_of(grid).reshape(19, 19)
        parts = [found[1:9, 1:9], found[10:18, 1:9], found[1:9, 10:18], found[10:18, 10:18]]
        assert all(len(set(part.ravel().tolist())) == 1 for part in parts)
        numbers = [int(part[0, 0]) for part in parts]
        assert sorted(numbers) == [0, 1, 2, 3] and {numbers[0], numbers[3]} in ({0, 3}, {1, 2})
        assert len(set(np.flatnonzero(found.ravel() >= 0))) == 4 * 64 + 4
    for seed in range(5):  # one comes in where the shortest walk does
        grid = grid_of(ROOMS, seed)
        rooms, start = rooms_of(grid), tuple(np.argwhere(grid[..., 0] == 10)[0].tolist())
        for number in range(1, 4):
            walk = way(grid, start, {divmod(cell, 25) for cell in np.flatnonzero(rooms == number).tolist()})
            assert divmod(way_in(grid, rooms, number), 25) in {walk[-1]}
    hallway = np.full((7, 5, 3), 2, dtype=np.uint8)  # a long narrow hallway is a room, not a row of doorways
    hallway[1:6, 2, 0] = 1
    hallway[3, 2, 0] = 10
    assert set(rooms_of(hallway).tolist()) == {-1, 0}


def test_scores_and_targets_by_hand() -> None:
    visits, values, anyone = np.array([4, 1, 9]), np.array([9.0, 0.1, 5.0]), np.ones(3, dtype=bool)
    assert preferred(candidate_scores(visits, values, 1.0, 0.0), anyone) == 1  # node 2 of three
    assert candidate_scores(visits, values, 1.0, 0.1).tolist() == pytest.approx([1.4, 1.01, 0.5 + 1 / 3])
    assert preferred(np.array([1.0, 2.0, 3.0]), np.array([True, True, False])) == 1
    assert preferred(np.array([1.0, 2.0, 3.0]), np.zeros(3, dtype=bool)) == 2
    assert preferred(np.array([2.0, 1.0, 2.0]), anyone) == 0  # the task's goal is the last among equals
    paid = sum(0.9**i * reward for i, reward in enumerate((0.0, 0.0, 1.0)))
    assert smdp_target(paid, 3, 0.9, 2.0) == pytest.approx(2.268)
    values, nowhere = OptionValues(2, 0.5, 0.9), np.zeros(3, dtype=bool)
    assert values.learn(0, 1, False, False, 0.81, 3, 2.0) == pytest.approx(2.268)
    assert values.of(0, np.array([1, 2]), False, nowhere).tolist() == pytest.approx([1.134, 0.0])
    assert values.of(0, np.array([1]), True, nowhere).tolist() == [0.0]  # a searched node is another row
    assert values.of(0, np.array([1]), False, ~nowhere).tolist() == [0.0]  # so is an option where one has been


def test_which_options_there_are_and_which_is_taken() -> None:
    """On a chain of nodes 0 - 1 - 2, put on the map by attempts of 4 steps; the task pays in node 2."""
    rooms = np.repeat(np.arange(3), 2).astype(np.int16)[None]

    def grids(*cells: int) -> dict:
        found = np.ones((len(cells), 6, 1, 3), dtype=np.uint8)
        found[np.arange(len(cells)), list(cells), 0] = 10, 0, 0
        return {"grid": found}

    def attempt(nav, start: int, end: int, option: int, paid: float = 0.0, over: bool = False) -> Attempts:
        goal = {
            "option": np.array([option]), "here": np.array([start]), "begins": np.array([start == 0]),
            "searched": np.zeros((1, 65), dtype=bool), "been": np.zeros((1, 65), dtype=bool), "rooms": rooms,
        }  # fmt: skip
        return Attempts(
            goal, grids(2 * start), np.array([4]), np.array([option == end]), np.array([paid]), grids(2 * end),
            np.array([over]), np.array([0.9**3 * paid]),
        )  # fmt: skip

    def asked(nav, training: bool = True, option: int = 0) -> list[int]:
        before = {
            "option": np.full(300, option), "here": np.zeros(300, dtype=np.int64), "begins": np.ones(300, dtype=bool),
            "searched": np.zeros((300, 65), dtype=bool), "been": np.zeros((300, 65), dtype=bool),
            "rooms": rooms.repeat(300, axis=0),
        }  # fmt: skip
        here = grids(*[2] * 300)
        rng = torch.Generator().manual_seed(0)
        goal = nav.propose(Asked(300, here, before, training, np.zeros(300, dtype=bool)), rng)
        assert goal["here"].tolist() == [1] * 300 and (goal["searched"][:, 0] == (option == 64)).all()
        assert goal["been"].sum(axis=1).tolist() == [1] * 300
        seen = nav.show(goal, here)[
            "goal"
        ]  # the agent looks right from cell 2: node 2 begins two cells ahead, 0 one back
        ahead = np.select([goal["option"] == 2, goal["option"] == 0], [0.2, -0.1], 0.0)
        assert seen[:, 0].tolist() == pytest.approx(ahead.tolist()) and not seen[:, 1].any()
        assert seen[:, 2].tolist() == (goal["option"] != 64).tolist()
        return sorted(set(goal["option"].tolist()))

    def trained(**options):
        nav = conditioner(**options)
        for _ in range(40):
            for each in (attempt(nav, 0, 1, 1), attempt(nav, 1, 2, 2), attempt(nav, 2, 2, 64, 1.0, True)):
                nav.take_in(each)
            nav.update()
        return nav

    chance = trained(choice="random")
    assert asked(chance) == [0, 2, 64] and asked(chance, option=64) == [0, 2, 64]
    assert asked(trained(choice="random", graph=False)) == [0, 2, 64]
    one_way = trained(choice="random")
    one_way.map.traversed[:] = 0
    assert asked(one_way) == [64]  # without an edge nothing but the task's goal is left
    # Evaluation goes by values: on to node 2, where the task pays .9^3, four steps away.
    paying = trained(novelty_reward=0.0)
    assert asked(paying, training=False) == [2]
    assert paying._values.of(1, np.array([2]), False, np.zeros(65, dtype=bool))[0] == pytest.approx(0.9**7, rel=0.2)
    # An option that ends in losses is the last choice, whatever its score.
    for _ in range(60):
        paying.take_in(attempt(paying, 1, 1, 2, 0.0, True))
    paying.update()
    assert asked(paying, training=False) != [2]


def test_on_replay_values_end_where_attempts_do(tmp_path: Path) -> None:
    """A kept step leads to the goal that it pursued; nothing follows an arrival, and late steps are no ends."""
    options = ["env=multiroom_n2_s4", "agent.learning_starts=9000", "frames=9000", "num_envs=16"]
    config = prepare(tmp_path, *options).config
    learning = make_learning(config, build(config))
    for _ in range(100):
        learning.iterate(0)
    steps = learning.buffer()["steps"]
    count = learning.buffer()["count"]
    now, then, reward = (steps[name][:count].numpy() for name in ("obs.goal", "next_obs.goal", "reward"))
    assert (now[:, 2] == then[:, 2]).all()
    arrived = reward > 0
    discount = steps["discount"][:count].numpy()
    assert arrived.any() and not discount[arrived].any()
    assert 0 < (discount[~arrived] == 0).sum() < 300 and (discount > 0).sum() > 2000
    sought = now[:, 2] == 1
    assert sought[arrived].all() and not now[~sought].any() and 0 < sought.sum() < count  # zeros for the task's goal


def test_values_end_with_attempts_by_hand() -> None:
    """Steps: arrival, arrival elsewhere, given up, given up as the episode is cut, on the way, the task's own end."""
    column = [torch.tensor(entry)[:, None] for entry in (
        [True, False, False, False, False, False], [False, True, False, False, False, False], [3, 9, 9, 9, 2, 1],
        [False, False, False, False, False, True], [False, False, False, True, False, False],
    )]  # fmt: skip
    facts = dict(zip(("goal_reached", "goal_past", "goal_steps"), column, strict=False))
    rollout = SimpleNamespace(privileged=facts, terminated=column[3], truncated=column[4])
    found = ends_of_values(rollout, conditioner(patience=9))
    assert found[0].flatten().tolist() == [True, True, False, False, False, True]
    assert found[1].flatten().tolist() == [False, False, True, True, False, False]
    plain = ends_of_values(rollout, SimpleNamespace(ends_values=False))
    assert plain == (rollout.terminated, rollout.truncated)


@pytest.mark.parametrize(("agent", "way"), [(DQN, replay), (PPO, on_policy)], ids=["dqn", "ppo"])
def test_an_interrupted_run_goes_on_exactly(agent: list[str], way, tmp_path: Path, fault) -> None:
    whole, broken = (compose([*COMMON, *agent, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(way.Learning, "iterate", 11):
        assert run(broken) == 1
    assert run(broken) == 0
    manifest = json.loads((broken.folder / "manifest.json").read_text())
    assert manifest["resume"] == "exact" and "privileged" in manifest["assumes"]
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0] for each in (whole, broken)]
    for piece in ("agent", "conditioner", "collector", "streams"):
        first, second = (flat(state[piece]) for state in states)
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[name])), name
    header = (whole.folder / "train.csv").read_text().splitlines()[0].split(",")
    assert {"graph/nodes", "graph/edges", "subgoals/reached", "reward/subgoal_mean"} <= set(header)


def flat(tree, prefix: str = "") -> dict:
    if isinstance(tree, (dict, list, tuple)):
        entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {key: value for name, item in entries for key, value in flat(item, f"{prefix}.{name}").items()}
    return {} if tree is None or isinstance(tree, str) else {prefix: tree}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["env=deepsea"], "cannot give grid"),
        (["curriculum.feature=rooms"], "did you mean room"),
        (["curriculum.patience=0"], "patience"),
        (["curriculum.max_nodes=5000"], "max_nodes"),
        (["reward=her"], "goals"),
        ([*PPO, "agent.memory=gru"], "use agent.memory=none or agent=dqn"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = COMMON if PPO[0] in options else TINY
    usual = [option for option in usual if option.split("=")[0] not in {given.split("=")[0] for given in options}]
    assert main(["run", *usual, *options, f"results_dir={tmp_path}"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("rewardlab: compiling")]
    assert len(lines) == 1 and re.search(said, lines[0])
