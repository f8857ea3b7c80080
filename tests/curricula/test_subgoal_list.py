"""Lists of subgoals: against plain recomputations on real levels, by hand on made-up grids, and in whole runs."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rewardlab import gridworld
from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.curricula import subgoal_list
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.gridworld.solver import solve
from rewardlab.maths.subgoals import exact_list
from rewardlab.records import checkpoint
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.on_policy import Learning
from rewardlab.training.levels import training_levels
from rewardlab.types import ActionSpec, Asked, EnvSpec

WALKED = 3  # a level of KeyCorridor whose key is near
CORRIDOR, ROOMS, DOORKEY = "MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-MultiRoom-N4-S5-v1", "MiniGrid-DoorKey-6x6-v0"
TINY = [
    "env=doorkey_5x5", "reward=none", "num_envs=4", "frames=1000", "agent.rollout_steps=32", "eval.every=256",
    "eval.episodes=4", "curriculum=subgoal_list",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


def grids_of(env_id: str, seeds: list[int]) -> np.ndarray:
    env = minigrid.make(minigrid.Config(id=env_id), Levels(len(seeds), lists=[[seed] for seed in seeds]), ("grid",))
    env.reset(seeds)
    return env.privileged()["grid"].copy()


def conditioner(env_id: str = "made-up", **options) -> subgoal_list.Conditioner:
    spec = EnvSpec(env_id, {}, ActionSpec(n=7), max_steps=270, privileged=("grid",), place=((0, 0), (4, 6)))
    return subgoal_list.Conditioner(subgoal_list.Config(name="subgoal_list", **options), new_context(spec))


def asked(grids: np.ndarray, before: dict | None = None, begins: bool = True) -> Asked:
    return Asked(len(grids), {"grid": grids}, before or {}, True, np.full(len(grids), begins))


def cells_with(grid: np.ndarray, kind: int, state: int | None = None) -> list[int]:
    found = np.argwhere((grid[..., 0] == kind) & (True if state is None else grid[..., 2] == state))
    return [int(x) * grid.shape[1] + int(y) for x, y in found]


def test_keycorridor_and_doorkey_are_key_door_and_target() -> None:
    for env_id, target in ((CORRIDOR, 6), (DOORKEY, 8)):
        for grid in grids_of(env_id, list(range(40))):
            (key,), (door,), (end,) = cells_with(grid, 5), cells_with(grid, 4, state=2), cells_with(grid, target)
            assert exact_list(grid) == [key, door, end]


def test_multirooms_doors_are_those_without_which_there_is_no_way() -> None:
    for grid in grids_of(ROOMS, list(range(40))):
        (start,), (end,), height = cells_with(grid, 10), cells_with(grid, 8), grid.shape[1]
        far = spread(grid, start, None)
        doors = [door for door in cells_with(grid, 4) if end not in spread(grid, start, door)]
        assert len(doors) == 3 and height == 25
        assert exact_list(grid) == [*sorted(doors, key=lambda door: far[door]), end]


def spread(grid: np.ndarray, start: int, shut: int | None) -> dict[int, int]:
    """Steps to every cell that is reached when one door is shut: round after round over all cells."""
    height, far = grid.shape[1], {start: 0}
    while True:
        more = {
            at + step: steps + 1
            for at, steps in far.items()
            for step in (1, -1, height, -height)
            if at + step not in far and at + step != shut and grid.reshape(-1, 3)[at + step, 0] != 2
        }
        if not more:
            return far
        far |= more


def test_a_grid_without_a_goal_has_no_list_and_shows_none() -> None:
    grid = grids_of(DOORKEY, [0])
    grid[grid[..., 0] == 8] = (1, 0, 0)
    assert exact_list(grid[0]) == []
    goal = conditioner().propose(asked(grid), torch.Generator())
    assert not conditioner().show(goal, {"grid": grid})["goal"].any()


def test_the_papers_numbers_on_keycorridor(tmp_path: Path) -> None:
    """Key after 20 steps, the door 30 later: .185185 and .177778; the ball is paid by the task alone."""
    parts = build(prepare(tmp_path, "env=keycorridor_s3r3", "num_envs=1").config)
    engine = gridworld.make_vec(CORRIDOR, 1)
    engine.reset(seed=[WALKED])
    way = solve(CORRIDOR, engine.get_state()).actions
    world = minigrid.make(minigrid.Config(id=CORRIDOR), Levels(1), ("grid",))
    world.reset([WALKED])
    key, door, _ = exact_list(world.privileged()["grid"][0])
    grids = [world.privileged()["grid"][0].reshape(-1, 3).copy()]
    for action in way:
        grids.append(world.step(np.array([action])).privileged["grid"][0].reshape(-1, 3).copy())
    picked, opened = (
        next(t for t in range(len(way)) if (grids[t][cell] != grids[t + 1][cell]).any()) for cell in (key, door)
    )
    wait = 6  # done: nothing happens
    first, second = [wait] * (19 - picked), [wait] * (29 - (opened - picked - 1))
    played = [*way[:picked], *first, *way[picked:opened], *second, *way[opened:]]
    parts.env.reset([WALKED])
    batches = [parts.env.step(np.array([action])) for action in played]
    facts = {
        name: torch.from_numpy(np.stack([batch.privileged[name] for batch in batches]))
        for name in ("goal_reached", "goal_steps")
    }
    (spec,) = parts.conditioner.streams
    paid = spec.coef * parts.conditioner.compute(SimpleNamespace(privileged=facts))[spec.name][:, 0].numpy()
    assert [(int(t) + 1, round(float(paid[t]), 6)) for t in np.flatnonzero(paid)] == [(20, 0.185185), (50, 0.177778)]
    task = [float(batch.task_reward[0]) for batch in batches]
    assert task[-1] == pytest.approx(1 - 0.9 * len(played) / 270) and not any(task[:-1])
    assert (
        batches[49].obs["goal"].tolist() == batches[-1].next_obs["goal"].tolist() == [[0, 0]]
    )  # the ball is not shown


HALL = np.zeros((5, 7, 3), dtype=np.uint8)  # a key at (1, 2), a locked door at (2, 3), a ball at (3, 5)
HALL[..., 0] = 2
HALL[1:4, [1, 2, 4, 5]] = (1, 0, 0)
HALL[1, 2], HALL[2, 3], HALL[3, 5], HALL[1, 1] = (5, 4, 0), (4, 4, 2), (6, 1, 0), (10, 0, 1)
KEY, DOOR = 1 * 7 + 2, 2 * 7 + 3


def hall(**changes: tuple[int, int, int]) -> np.ndarray:
    """The hall with some cells changed, named by column and row: c23=(4, 4, 1)."""
    grid = HALL.copy()
    for cell, content in changes.items():
        grid[int(cell[1]), int(cell[2])] = content
    return grid[None]


def test_one_that_is_reached_ahead_of_its_turn_must_be_reached_again() -> None:
    grids = hall()
    teacher, rng = conditioner(), torch.Generator()
    goal = teacher.propose(asked(grids), rng)
    assert goal["cells"][0, :3].tolist() == [KEY, DOOR, -1]
    opened = hall(c23=(4, 4, 0))
    assert not teacher.reached(goal, {"grid": grids}, {"grid": opened})  # the key's turn
    picked = hall(c23=(4, 4, 0), c12=(1, 0, 0))
    assert teacher.reached(goal, {"grid": grids}, {"grid": picked})
    goal = teacher.propose(asked(picked, goal, begins=False), rng)
    assert goal["early"].tolist() == [True] and not teacher.reached(goal, {"grid": picked}, {"grid": picked})
    again = hall(c23=(4, 4, 1), c12=(1, 0, 0))
    inside = hall(c23=(10, 0, 1), c12=(1, 0, 0), c11=(1, 0, 0))
    for after in (again, inside):  # shut again, or the agent stands there
        assert teacher.reached(goal, {"grid": picked}, {"grid": after})
    goal = teacher.propose(asked(again, goal, begins=False), rng)
    assert not teacher.show(goal, {"grid": again})["goal"].any()
    assert not teacher.reached(goal, {"grid": again}, {"grid": hall(c35=(1, 0, 0))})


def test_a_cell_that_the_agent_leaves_has_not_changed() -> None:
    start, left = hall(c12=(10, 0, 1), c11=(1, 0, 0)), hall(c12=(1, 0, 0))
    teacher = conditioner()
    goal = teacher.propose(asked(hall()), torch.Generator())
    goal["cells"][0, 0] = KEY
    assert not teacher.reached(goal, {"grid": start}, {"grid": left})
    assert teacher.reached(goal, {"grid": start}, {"grid": start})


@pytest.mark.parametrize("encoding", ["relative", "object", "language"])
def test_so_many_subgoals_are_wrong(encoding: str) -> None:
    """Within three deviations of the binomial, all or none at the ends; a wrong one never looks right."""
    grids = grids_of(CORRIDOR, list(range(200)))
    cells = np.array([exact_list(grid)[:2] for grid in grids])
    for accuracy in (0.0, 0.7, 1.0):
        teacher = conditioner(accuracy=accuracy, encoding=encoding)
        found = teacher.propose(asked(grids), torch.Generator().manual_seed(1))["cells"][:, :2]
        right = found == cells
        assert abs(right.mean() - accuracy) <= 3 * np.sqrt(accuracy * (1 - accuracy) / right.size)
        if encoding != "relative":
            for grid, listed, true in zip(grids, found, cells, strict=True):
                looks, truth = grid.reshape(-1, 3)[listed], grid.reshape(-1, 3)[true]
                assert (looks != truth).any(axis=1).tolist() == (listed != true).tolist()
                assert np.isin(looks[:, 0], (4, 5, 6, 8)).all()


def test_a_wrong_one_that_is_a_wall_stays_for_the_whole_episode(tmp_path: Path) -> None:
    config = prepare(tmp_path, "curriculum.accuracy=0", "num_envs=16", "env=keycorridor_s3r3").config
    env = build(config).env
    env.reset(list(range(16)))
    goal, grids = env.get_state()["goal"], env._env.privileged()["grid"]
    walls = [i for i in range(16) if grids[i].reshape(-1, 3)[int(goal["cells"][i, 0]), 0] == 2]
    assert walls
    rng = np.random.default_rng(0)
    for _ in range(269):
        batch = env.step(rng.integers(6, size=16))
        assert not batch.privileged["goal_reached"][walls].any()
    assert (env.get_state()["goal"]["turn"][walls] == 0).all()
    assert (env.get_state()["steps"][walls] == 269).all()


def test_what_is_shown() -> None:
    grids, rng = hall(), torch.Generator()
    agent = hall(c11=(1, 0, 0), c41=(2, 0, 0), c31=(10, 0, 2))  # at (3, 1), looking left: the axes stay the grid's
    shown = {}
    for encoding in ("relative", "object", "language"):
        teacher = conditioner(encoding=encoding)
        goal = teacher.propose(asked(grids), rng)
        goal["cells"][0, 0] = KEY
        shown[encoding] = [
            teacher.show(goal, {"grid": each})["goal"][0] for each in (grids, agent, hall(c12=(1, 0, 0)))
        ]
    assert [each.tolist() for each in shown["relative"]] == [[0, 1], [-2, 1], [0, 1]]
    assert [each.tolist() for each in shown["object"]] == [
        [5, 4, 0],
        [5, 4, 0],
        [-1, -1, -1],
    ]  # nothing is there any more
    key, again, gone = shown["language"]
    assert np.array_equal(key, again) and np.linalg.norm(key) == pytest.approx(1, abs=1e-6) and not gone.any()
    other = conditioner(encoding="language")
    goal["cells"][0, 0] = DOOR
    assert abs(float(other.show(goal, {"grid": grids})["goal"][0] @ key)) < 0.3
    locked, shut = (other.show(goal, {"grid": each})["goal"][0] for each in (grids, hall(c23=(4, 4, 1))))
    assert not np.array_equal(locked, shut)


def test_half_of_it_can_be_left_out() -> None:
    grids, hidden, unpaid = hall(), conditioner(shown=False), conditioner(paid=False)
    goal = hidden.propose(asked(grids), torch.Generator())
    assert not hidden.show(goal, {"grid": grids})["goal"].any() and hidden.streams[0].coef == 0.2
    assert hidden.reached(goal, {"grid": grids}, {"grid": hall(c12=(1, 0, 0))})
    assert unpaid.streams == () and unpaid.obs == hidden.obs
    assert unpaid.show(goal, {"grid": grids})["goal"].any()


# -- whole runs --------------------------------------------------------------------------------------------------


def write_lists(file: Path, folder: Path, *overrides: str) -> Path:
    """The exact lists of a run's training levels."""
    seeds = training_levels(prepare(folder, *overrides, "env.levels=2").config)
    grids = grids_of("MiniGrid-DoorKey-5x5-v0", seeds)
    lists = {seed: [divmod(cell, 5) for cell in exact_list(grid)] for seed, grid in zip(seeds, grids, strict=True)}
    file.write_text(json.dumps(lists))
    return file


def test_a_file_of_exact_lists_is_the_oracle_bitwise(tmp_path: Path) -> None:
    file = write_lists(tmp_path / "lists.json", tmp_path)
    found = []
    for name, option in (("exact", []), ("file", [f"curriculum.file={file}"])):
        prepared = prepare(tmp_path / name, "env.levels=2", "eval.levels=train", "frames=512", *option)
        assert run(prepared) == 0
        found.append(flat(checkpoint.load(prepared.folder / "checkpoint.pt")[0]["agent"]))
        evaluations = [row.split(",") for row in (prepared.folder / "eval.csv").read_text().splitlines()]
        found[-1]["eval"] = torch.tensor([[float(x) for x in (row[0], *row[3:])] for row in evaluations[1:]])
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(torch.as_tensor(found[0][name]), torch.as_tensor(found[1][name])) for name in found[0])


def flat(tree, prefix: str = "") -> dict:
    """The numbers of a checkpoint by dotted name."""
    if isinstance(tree, (dict, list, tuple)):
        entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {key: value for name, item in entries for key, value in flat(item, f"{prefix}.{name}").items()}
    return {} if tree is None or isinstance(tree, str) else {prefix: tree}


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path, fault) -> None:
    """With a file: the levels under way are known again."""
    file = write_lists(tmp_path / "lists.json", tmp_path)
    options = [
        f"curriculum.file={file}", "env.levels=2", "eval.levels=train", "frames=512", "eval.every=512",
        "checkpoint.every=128", "curriculum.accuracy=0.5", "curriculum.encoding=language",
    ]  # fmt: skip
    whole, broken = (prepare(tmp_path / name, *options) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 3):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0] for each in (whole, broken)]
    for piece in ("agent", "conditioner", "collector", "streams"):
        found = [flat(state[piece]) for state in states]
        assert found[0].keys() == found[1].keys()
        for name, value in found[0].items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(found[1][name])), name


def test_a_files_content_names_the_setting(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for file, text in zip(files, ('{"1": [[1, 1]]}', '{"1": [[1, 1]]}', '{"1": [[1, 2]]}'), strict=True):
        file.write_text(text)
    ids = [prepare(tmp_path, f"curriculum.file={file}", "env.levels=1").setting_id for file in files]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, ["env=fetch_5x5_n2"], "no exact lists are known for MiniGrid-Fetch-5x5-N2-v0"),
        (None, ["env=gym", "env.id=CartPole-v1"], "cannot give grid"),
        (None, ["curriculum.shown=false", "curriculum.paid=false"], "nothing is left"),
        ("{}", ["env.levels=1"], "holds no lists"),
        ("[[", ["env.levels=1"], "can't be read"),
        ('{"1": [[1, 1]]}', [], "set env.levels=K"),
        ('{"1": [[1, 1]]}', ["env.levels=2"], "has no list for level"),
        ('{"1": [[1, 5]]}', ["env.levels=1"], "is no cell .* of 5 x 5"),
        ('{"1": [[1, true]]}', ["env.levels=1"], "is no cell"),
        ('{"1": []}', ["env.levels=1"], "1 to 64 cells"),
        ('{"x": [[1, 1]]}', ["env.levels=1"], "is no level seed"),
        ('{"1": [[1, 1]]}', ["env.levels=1", "env.backend=reference"], "cannot give level"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    content: str | None, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lists.json").write_text(content or "")
    named = [f"curriculum.file={tmp_path / 'lists.json'}"] if content is not None else []
    usual = [option for option in TINY if option.split("=")[0] not in {given.split("=")[0] for given in options}]
    assert main(["run", *usual, *named, *options, f"results_dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if not line.startswith("rewardlab: compiling")]
    assert len(lines) == 1 and re.search(said, lines[0])
