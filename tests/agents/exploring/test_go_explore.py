"""Go-Explore: phase 1 on real levels, what it writes, and phase 2 along what it found."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab import load
from rewardlab.agents.exploring.way_follower import WayFollower
from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.envs.batched import BatchedEnv
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.solver import solve
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env
from rewardlab.training.levels import training_levels
from rewardlab.training.wrappers.start_env import happens_again

TINY = [
    "env=doorkey_5x5", "env.levels=3", "agent=go_explore", "num_envs=8", "frames=12_000", "agent.rollout_steps=32",
    "eval.every=4000", "eval.episodes=4",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


def explored(tmp_path: Path, *overrides: str):
    config = prepare(tmp_path, *overrides).config
    agent = build(config).agent
    levels = training_levels(config)
    make = make_level_env(config, agent.facts)
    frames = 0
    while agent.exploring and frames < config.frames:
        frames += agent.round_steps * config.num_envs
        metrics = agent.explore(make, levels, config.num_envs, agent.round_steps, frames / config.frames)
    return agent, levels, make, metrics


@pytest.mark.parametrize(
    "overrides",
    [
        ["agent.cell=position"],
        ["agent.cell=state"],
        ["agent.cell=view", "agent.explore_repeat=0.2"],
        ["agent.return_by=policy"],
        ["agent.return_by=policy", "agent.cell=view"],
    ],
    ids=["position", "state", "view", "policy", "policy-view"],
)
def test_the_ways_that_are_found_lead_to_success(tmp_path: Path, overrides: list[str]) -> None:
    agent, levels, make, metrics = explored(tmp_path, "frames=200_000", *overrides)
    assert metrics["explore/solved_levels"] == 1.0 and len(agent.solutions) == 3
    for level, trail in zip(levels, agent.solutions, strict=True):
        assert trail.level == level
        env = minigrid.make(
            minigrid.Config(id="MiniGrid-DoorKey-5x5-v0", backend="reference"), Levels(1, lists=[[level]])
        )
        env.reset([0])
        for t, action in enumerate(trail.action):
            batch = env.step(np.array([action]))
            assert batch.terminated[0] == (t + 1 == len(trail.action))
        assert batch.success[0] and batch.task_reward[0] == pytest.approx(trail.reward[-1])
        assert not trail.reward[:-1].any()
    assert happens_again(make, agent.solutions) == [True] * 3


def test_going_on_shortens_the_ways(tmp_path: Path) -> None:
    agent, levels, *_ = explored(tmp_path, "agent.explore_until=budget", "agent.explore_share=1", "frames=150_000")
    found = [len(trail.action) for trail in agent.solutions]
    engine = make_vec("MiniGrid-DoorKey-5x5-v0", 3)
    engine.reset(seed=levels)
    best = [solve("MiniGrid-DoorKey-5x5-v0", engine.get_state(), i).steps for i in range(3)]
    assert all(b <= f <= b + 4 for b, f in zip(best, found, strict=True))


def test_every_state_of_the_archive_is_where_its_way_leads(tmp_path: Path) -> None:
    config = prepare(tmp_path, "agent.explore_until=budget").config
    agent = build(config).agent
    levels, make = training_levels(config), make_level_env(config, agent.facts)
    for _ in range(20):
        agent.explore(make, levels, 8, 10, 0.1)
    archive = agent._archive
    rows = np.random.default_rng(0).choice(len(archive), size=min(40, len(archive)), replace=False)
    for row in rows:
        one = np.array([row])
        engine = make_vec("MiniGrid-DoorKey-5x5-v0", 1)
        engine.reset(seed=[levels[int(archive.level_of(one)[0])]])
        way = archive.way(int(archive.piece_of(one)[0]))
        assert len(way) == archive.steps_of(one)[0]
        for action in way:
            engine.step(np.array([action]))
        state, kept = engine.get_state(), archive.places.get(one)
        for name in ("cells", "agent", "carried", "steps", "streams"):
            assert np.array_equal(state[name], kept[name]), name


def rows_of(table: Path) -> list[dict[str, str]]:
    names, *rows = [line.split(",") for line in table.read_text().splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_run_has_two_phases_and_says_what_it_assumes(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    assert run(prepared) == 0
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    assert manifest["assumes"] == ["fixed_level", "state_restore"]
    train, evaluated = rows_of(prepared.folder / "train.csv"), rows_of(prepared.folder / "eval.csv")
    first = [row for row in train if row["explore/cells"]]
    second = [row for row in train if row["starts/reach"]]
    assert first and second and int(first[-1]["frames"]) < int(second[0]["frames"])
    assert float(first[-1]["explore/solved_levels"]) == 1.0 and first[-1]["updates"] == "0"
    frames = [int(row["frames"]) for row in evaluated]
    assert frames[0] == 0 and frames[1] >= int(first[-1]["frames"]) > 0, "phase 1 leaves the policy as it was"
    assert int(second[-1]["frames"]) <= 12_000 and int(second[-1]["updates"]) > 0
    state = torch.load(prepared.folder / "checkpoint.pt", weights_only=True)["state"]
    assert state["agent"]["archive"] is None, "what phase 1 kept is not carried on"


def test_phase_1_alone_is_evaluated_at_its_end_and_stays_in_the_statistics(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "agent.explore_share=1", "agent.explore_until=budget", "frames=2010")
    assert run(prepared) == 0
    assert rows_of(prepared.folder / "train.csv")[-1]["frames"] == "2008"
    evaluated = rows_of(prepared.folder / "eval.csv")
    assert [int(row["frames"]) for row in evaluated] == [0, 2008]
    assert json.loads((prepared.folder / "summary.json").read_text())["final_return"] is not None
    assert main(["report", str(tmp_path)]) == 0
    (row,) = load(tmp_path).tables["sample_efficiency"].to_dict("records")
    assert (row["n_seeds"], row["n_missing"], row["n_reached_90"], row["frames_to_90_censored"]) == (1, 0, 0, True)


def test_a_policy_learns_to_return_and_no_state_within_an_episode_is_restored(tmp_path: Path, monkeypatch) -> None:
    put_places, steps = BatchedEnv.put_places, []

    def watched(env, where, places):
        steps.extend(places["steps"].tolist())
        return put_places(env, where, places)

    monkeypatch.setattr(BatchedEnv, "put_places", watched)
    rooms = ["env=multiroom_n2_s4", "agent.explore_until=budget", "agent.explore_share=1"]
    options = [*rooms, "agent.return_by=policy"]
    idle, learned = (
        explored(tmp_path, *options, "frames=20_000", f"agent.learning_rate={rate}")[3]["explore/returned"]
        for rate in (1e-9, 2e-3)
    )
    assert learned > idle + 0.2, (idle, learned)
    assert set(steps) == {0}
    steps.clear()
    explored(tmp_path, *rooms, "frames=1024")
    assert max(steps) > 0, "restoring is seen"


def test_a_trip_is_paid_for_cells_of_its_way_and_given_up_without(tmp_path: Path) -> None:
    config = prepare(tmp_path, "agent.return_by=policy", "agent.goal_window=2", "agent.patience=3", "num_envs=3").config
    parts = build(config)
    follower = WayFollower(config.agent, parts.generators.context("agent", config, parts.env.spec), located=False)
    obs = {name: np.zeros_like(entry) for name, entry in parts.env.reset([0, 1, 2]).items()}
    follower.begin(8)
    for t in range(4):  # pieces 0 to 3 end in the cells 10 to 13
        follower.act(obs, None)
        follower.meet(np.full(3, 9 + t), np.full(3, 10 + t), obs["image"], None)
        follower.remember(t, 0, t)
    follower.begin(8)
    follower.set_out(np.arange(3), [[0, 1, 2, 3], [0, 2], []])
    # What each environment comes upon: the second cell of a way, then a cell beyond the window, then nothing, ...
    met = [[11, 99, 10], [10, 10, 10], [13, 99, 10], [99, 12, 10]]
    paid, away, failed = [], [], []
    for cells in met:
        follower.act(obs, None)
        failed.append(follower.judge(np.array(cells), np.zeros(3, dtype=bool)).tolist())
        paid.append(follower._paid[len(follower._steps) - 1].tolist())
        away.append(follower.away.tolist())
    assert paid == [[2, 0, 0], [0, 1, 0], [2, 0, 0], [0, 1, 0]]
    assert away == [[True, True, False], [True, True, False], [False, True, False], [False, False, False]]
    assert not np.any(failed)
    follower.set_out(np.array([0, 1]), [[0, 1], [0]])
    for cells, ended in ([12, 99, 10], [False] * 3), ([12, 99, 10], [False, True, False]), ([9, 9, 9], [False] * 3):
        follower.act(obs, None)
        failed.append(follower.judge(np.array(cells), np.array(ended)).tolist())
    assert failed[4:] == [[False] * 3, [False, True, False], [True, False, False]]


def test_a_policy_is_shown_every_cell_of_a_way(tmp_path: Path) -> None:
    options = ["agent.return_by=policy", "agent.explore_until=budget", "agent.explore_share=1", "frames=20_000"]
    agent, levels, make, _ = explored(tmp_path, *options)
    archive, follower = agent._archive, agent._follower
    rows = np.random.default_rng(0).choice(len(archive), size=20, replace=False)
    for row in rows:
        one = np.array([row])
        env = make([[levels[int(archive.level_of(one)[0])]]])
        env.reset([0])
        last, entered = env.privileged()["situation"][0], []
        for action in archive.way(int(archive.piece_of(one)[0])):
            met = env.step(np.array([action])).privileged["situation"][0]
            entered += [met] if met != last else []
            last = met
        shown = follower._keys[archive.chain(int(archive.piece_of(one)[0]))].tolist()
        assert [key for k, key in enumerate(shown) if k == 0 or key != shown[k - 1]] == entered


@pytest.mark.parametrize(
    ("fault_in", "at", "overrides"),
    [
        ("explore", 5, ["frames=6000"]),
        ("update", 5, []),
        ("explore", 5, ["agent.return_by=policy"]),
        ("explore", 1, ["agent.return_by=policy", "env.levels=1", "num_envs=1", "frames=2000"]),
    ],
)
def test_an_interrupted_run_goes_on_exactly(
    tmp_path: Path, fault, fault_in: str, at: int, overrides: list[str]
) -> None:
    from rewardlab.agents.exploring.go_explore import Agent

    whole, broken = (prepare(tmp_path / name, "checkpoint.every=80", *overrides) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Agent, fault_in, at):
        assert run(broken) == 1
    assert run(broken) == 0
    timed = ("wall_seconds", "cpu_seconds", "fps")
    tables = [
        [{k: v for k, v in row.items() if k not in timed} for row in rows_of(one.folder / "train.csv")]
        for one in (whole, broken)
    ]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["env.levels=inf"], "explores fixed levels; set env.levels=K"),
        (["env.backend=reference"], "can't be restored one by one"),
        (["env=gym", "env.id=CartPole-v1"], "can't be restored one by one"),
        (["env=gym", "env.id=Pendulum-v1"], "takes continuous actions"),
        (["curriculum=amigo", "agent.cell=vew"], "did you mean view?"),
        (["agent.explore_share=1.5"], "must be at most 1"),
        (["agent.return_by=policy", "agent.memory=gru"], "return_by=policy learns from pieces of episodes"),
        (["env=bitflip", "agent.return_by=policy"], "shows no image, or goals of its own; use return_by=state"),
        (["curriculum=backplay"], "leave out curriculum=backplay"),
    ],
)
def test_bad_input_is_one_line(overrides, line, tmp_path, capsys) -> None:
    tiny = [item for item in TINY if not (item.startswith("env=") and overrides[0].startswith("env="))]
    assert main(["run", *tiny, *overrides, f"results_dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


@pytest.mark.skipif(find_spec("ale_py") is None, reason="needs the extra atari")
def test_where_more_is_paid_than_once_the_best_way_is_kept_and_learned_from(tmp_path: Path) -> None:
    """Space Invaders with actions that stick: a level fixes which do."""
    game = ["env=atari", "env.id=SpaceInvaders", "env.actions=minimal", "env.levels=2", "agent.cell=view"]
    small = ["agent.cell_channels=1", "agent.cell_blocks=6", "agent.explore_steps=40", "agent.explore_until=budget"]
    options = [*game, *small, "num_envs=4", "frames=1600", "eval.episodes=2", "eval.every=1600", "eval.max_steps=20"]
    agent, levels, make, metrics = explored(tmp_path, *options, "agent.explore_share=1")
    assert len(agent.solutions) == 2 and metrics["explore/solved_levels"] == 0
    assert metrics["explore/score"] == np.mean([trail.reward.sum() for trail in agent.solutions]) > 1
    assert all(trail.reward[-1] > 0 and not trail.ends for trail in agent.solutions)
    assert happens_again(make, agent.solutions) == [True, True]
    archive, best = agent._archive, {trail.level: trail.reward.sum() for trail in agent.solutions}
    rows = np.arange(len(archive))
    scores, of = archive.score_of(rows), archive.level_of(rows)
    assert all(scores[of == i].max() <= best[level] for i, level in enumerate(levels))
    row = rows[scores == scores.max()][:1]
    env = make([[levels[int(of[row[0]])]]])
    env.reset([0])
    way = archive.way(int(archive.piece_of(row)[0]))
    batches = [env.step(np.array([action])) for action in way]
    assert sum(float(batch.task_reward[0]) for batch in batches) == scores[row[0]]
    assert archive.paid(int(archive.piece_of(row)[0])).tolist() == [batch.task_reward[0] for batch in batches]
    taken, kept = env.take_places(np.array([0])), archive.places.get(row)
    assert all(np.array_equal(taken[name], kept[name]) for name in taken)
    prepared = prepare(tmp_path, *options, "agent.rollout_steps=32", "agent.minibatch_size=64")
    assert run(prepared) == 0
    assert rows_of(prepared.folder / "train.csv")[-1]["starts/reach"], "phase 2 begins along the best ways"
