"""CALM and ELLM: a real walk paid by plain recomputation, the quality of judges that err, runs and refusals."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rewardlab import gridworld
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.gridworld.solver import solve
from rewardlab.language.captions import FACTS
from rewardlab.language.judges import ScriptedJudge
from rewardlab.maths.captions import event_text
from rewardlab.maths.subgoal_flags import expected_precision, fresh_flags, in_windows, quality, scaled_counts
from rewardlab.maths.word_vectors import cosines
from rewardlab.rewards.language import calm, ellm
from rewardlab.types import EnvSpec, Rollout

DOORKEY = "MiniGrid-DoorKey-6x6-v0"
TINY = ["env=doorkey_5x5", "num_envs=4", "agent.rollout_steps=32", "frames=1024", "eval.episodes=4", "eval.every=1024"]
KEY_AGAIN = [4, 3]  # drop, pick up


@pytest.fixture(scope="module")
def walk() -> tuple[EnvSpec, Rollout]:
    """Two environments: one solves its level and begins the next one, one only turns. The key is dropped once."""
    engine = gridworld.make_vec(DOORKEY, 1)
    engine.reset(seed=[2])
    way = [int(action) for action in solve(DOORKEY, engine.get_state()).actions]
    picked = way.index(3)
    way = [*way[: picked + 1], *KEY_AGAIN, *way[picked + 1 :], 0, 0]
    env = minigrid.make(minigrid.Config(id=DOORKEY), Levels(2, lists=[[2], [3]]), FACTS)
    obs, told = env.reset([0, 0]), env.privileged()
    rows: dict[str, list] = {name: [] for name in ("obs", "next", "before", "after", "batch", "first", "action")}
    first = np.ones(2, dtype=bool)
    for action in way:
        rows["obs"].append(obs["image"].copy())
        rows["before"].append({name: told[name].copy() for name in FACTS})
        rows["first"].append(first)
        rows["action"].append(np.array([action, 0]))
        batch = env.step(rows["action"][-1])
        rows["next"].append(batch.next_obs["image"].copy())
        rows["after"].append({name: batch.privileged[name].copy() for name in FACTS})
        rows["batch"].append(batch)
        obs, told, first = batch.obs, env.privileged(), batch.terminated | batch.truncated
    stacked = {name: torch.from_numpy(np.stack(rows[name])) for name in ("obs", "next", "first", "action")}
    ends = {name: torch.from_numpy(np.stack([getattr(each, name) for each in rows["batch"]])) for name in
            ("task_reward", "terminated", "truncated", "success")}  # fmt: skip
    before, after = (
        {name: torch.from_numpy(np.stack([told[name] for told in rows[end]])) for name in FACTS}
        for end in ("before", "after")
    )
    rollout = Rollout(
        obs={"image": stacked["obs"]}, next_obs={"image": stacked["next"]}, action=stacked["action"], **ends,
        first=stacked["first"], last_obs={"image": torch.from_numpy(obs["image"].copy())},
        last_first=torch.from_numpy(first.copy()), agent_state0=None, privileged=after, current_privileged=before,
    )  # fmt: skip
    assert rollout.success[:, 0].any() and not rollout.done[-1].any()
    return env.spec, rollout


def made(module, spec: EnvSpec, **options):
    config = module.Config(name="asks", plugin="asks", **options)
    config.validate()
    context = new_context(spec)
    context = type(context)(**{**vars(context), "num_envs": 2})
    return module.Scheme(config, context)


def texts(scheme, rollout: Rollout) -> list[list[str]]:
    codes = scheme.captioned(rollout).events
    return [[event_text(int(code)) for code in row] for row in codes]


def paid_twice(scheme, rollout: Rollout) -> torch.Tensor:
    """Nothing is known when a rollout is paid first; then all of it."""
    assert not scheme.compute(rollout).streams["intrinsic"].any()
    scheme.update(rollout)
    return scheme.compute(rollout).streams["intrinsic"]


def test_calm_pays_each_subgoal_once_in_an_episode(walk: tuple[EnvSpec, Rollout]) -> None:
    spec, rollout = walk
    told = texts(made(calm, spec), rollout)
    begun = int(rollout.done[:, 0].nonzero()[0]) + 1
    events = [row[0] for row in told]
    keys = [t for t, text in enumerate(events) if text.startswith("picked up")]
    doors = [t for t, text in enumerate(events) if text.startswith("unlocked")]
    assert len(keys) == 2 and len(doors) == 1 and events[begun - 1] == "reached the goal"
    for options, expected in (
        ({}, {keys[0], doors[0]}),
        ({"once": False}, {*keys, *doors}),
        ({"subgoals": ["Reach  the goal"]}, {begun - 1}),
        ({"subgoals": []}, {keys[0], doors[0], begun - 1}),
        ({"error": 1.0, "subgoals": ["pick up the key"]}, {0, begun}),
    ):
        paid = paid_twice(made(calm, spec, **options), rollout)
        assert set(np.flatnonzero(paid[:, 0].numpy()).tolist()) == expected and paid.max() == 1
    scheme = made(calm, spec, subgoals=[])
    assert scheme._read('So: {"find food": true, "rest": false} {"Pick  up the key": true, "x": 1}') == [
        "pick up the key"
    ]
    assert scheme._read("yes") is None and made(calm, spec)._read('{"find food": true}') == []


def test_calms_table_of_what_was_seen_and_done(walk: tuple[EnvSpec, Rollout]) -> None:
    spec, rollout = walk
    scheme = made(calm, spec, table="counts")
    paid = paid_twice(scheme, rollout)[:, 0]
    events = [row[0] for row in texts(scheme, rollout)]
    counts: dict[bytes, int] = {}
    rows = [
        rollout.obs["image"][t, 0].numpy().tobytes() + bytes([int(rollout.action[t, 0])]) for t in range(len(events))
    ]
    for t, text in enumerate(events):
        if text.startswith(("picked up", "unlocked")):
            for back in range(3):
                counts[rows[t - back]] = counts.get(rows[t - back], 0) + 1
    least, most = min(counts.values()), max(counts.values())
    assert most > least
    expected = [(counts[row] - least) / (most - least) if row in counts else 0.0 for row in rows]
    assert paid.tolist() == pytest.approx(expected)
    assert scaled_counts(np.array([3, 3])).tolist() == [1.0, 1.0]


def test_flags_by_plain_loops() -> None:
    rng = np.random.default_rng(0)
    flags, first = rng.integers(0, 8, size=(12, 3)) * (rng.random((12, 3)) < 0.4), rng.random((12, 3)) < 0.2
    fresh, after = fresh_flags(flags, first, np.array([1, 0, 7]))
    times = in_windows(flags > 0, first, 3)
    for env, reached in enumerate(({0}, set(), {0, 1, 2})):
        for t in range(12):
            reached = set() if first[t, env] else reached
            now = {bit for bit in range(3) if flags[t, env] >> bit & 1}
            assert fresh[t, env] == sum(1 << bit for bit in now - reached)
            reached = reached | now
            later = [s for s in range(t, min(t + 3, 12)) if flags[s, env] and not first[t + 1 : s + 1, env].any()]
            assert times[t, env] == len(later)
        assert after[env] == sum(1 << bit for bit in reached)


def test_precision_collapses_where_little_is_true() -> None:
    keys = np.arange(10_000)
    for base, error in ((0.5, 0.1), (0.02, 0.1), (0.02, 0.01)):
        judge = ScriptedJudge(error, seed=3)
        true = keys % round(1 / base) == 0
        flagged = true ^ np.array([judge.errs(int(key)) for key in keys])
        precision, recall, both = quality(int((true & flagged).sum()), int(flagged.sum()), int(true.sum()))
        assert precision == pytest.approx(expected_precision(error, base), abs=0.05)
        assert recall == pytest.approx(1 - error, abs=0.06)
        assert both == pytest.approx(2 * precision * recall / (precision + recall))
    assert expected_precision(0.1, 0.02) < 0.16 and quality(0, 0, 0) == (0.0, 0.0, 0.0)


def test_ellm_pays_what_was_suggested_in_the_state_before(walk: tuple[EnvSpec, Rollout]) -> None:
    spec, rollout = walk
    scheme = made(ellm, spec)
    seen = scheme.captioned(rollout)
    told, first = texts(scheme, rollout), rollout.first.numpy()
    paid = paid_twice(scheme, rollout)
    expected = np.zeros(paid.shape)
    for env in range(2):
        matched: set[str] = set()
        for t, row in enumerate(told):
            matched = set() if first[t, env] else matched
            before = seen.text(t * 2 + env, acted_on=True)
            event = row[env]
            if event in ellm.helpful(before) and event not in matched:
                expected[t, env] = 1.0
                matched.add(event)
    assert np.allclose(paid.numpy(), expected) and expected.sum() == 3
    # Equal texts are equal whatever rounding says; half of the words is half.
    assert np.array_equal(paid_twice(made(ellm, spec, threshold=1.0), rollout).numpy() > 0, expected > 0)
    others = ["picked up the red key", "key red the up picked", "picked up the blue key", "turned"]
    near = cosines([others[0], "!"], others)
    assert near[0, :2] == pytest.approx(1.0, abs=1e-6) and near[0, 2] == pytest.approx(0.8, abs=0.1)
    assert abs(near[0, 3]) < 0.2 and not near[1].any()
    wrong = paid_twice(made(ellm, spec, error=1.0), rollout)
    assert {told[t][env] for t, env in wrong.nonzero().tolist()} <= {"turned", "dropped the yellow key"} | {
        text for row in told for text in row if text.startswith(("dropped", "closed"))
    }


def test_what_is_read_and_suggested() -> None:
    doors = "a locked red door ahead, a closed blue door to the left, an open green door behind"
    seen = f"in sight: {doors}, a red key ahead, a goal behind; carrying: "
    assert ellm.helpful(seen + "nothing") == ["opened the blue door", "picked up the red key", "reached the goal"]
    assert ellm.helpful(seen + "a red key") == ["unlocked the red door", "opened the blue door", "reached the goal"]
    assert ellm.useless(seen + "a red key") == ["closed the green door", "dropped the red key"]
    answer = "1. Picked up the red key.\n\n- opened  the door\n* opened the door"
    assert ellm.suggestions_in(answer) == ["picked up the red key", "opened the door"]
    assert ellm.suggestions_in(" \n- ") is None and len(ellm.suggestions_in("\n".join("abcdefghijklm")) or []) == 10


@pytest.mark.parametrize("scheme", ["calm", "ellm"])
def test_a_recorded_run_is_the_run_again(scheme: str, tmp_path: Path) -> None:
    words = [*TINY, f"reward={scheme}", "reward.error=0.2", f"results_dir={tmp_path}"]
    assert main(["run", *words]) == 0
    (file,) = tmp_path.rglob("annotations.csv")
    first = pd.read_csv(file.parent / "train.csv")
    assert first["annotate/labelled"].iloc[-1] == len(pd.read_csv(file)) > 0
    words[-1] = f"results_dir={tmp_path / 'again'}"
    words[-2] = f"reward.llm='recorded:{file.parent}'"
    copy = Path(shutil.copytree(file.parent, tmp_path / "copied" / "elsewhere"))
    ids = [compose([*words[:-2], f"reward.llm='recorded:{place}'"]).setting_id for place in (file.parent, copy)]
    assert ids[0] == ids[1]  # what was recorded counts, not where it lies
    (copy / "annotations.csv").write_text((copy / "annotations.csv").read_text().replace("scripted", "another"))
    assert compose([*words[:-2], f"reward.llm='recorded:{copy}'"]).setting_id != ids[0]
    with pytest.raises(UserError, match="would keep its answers there too"):  # another setting each time
        compose([*words[:-2], f"reward.llm='recorded:{tmp_path}'", f"results_dir={tmp_path}"])
    assert main(["run", *words]) == 0
    (again,) = (tmp_path / "again").rglob("train.csv")
    second = pd.read_csv(again)
    same = [name for name in first.columns if name.startswith(("reward/", "calm/", "ellm/", "loss/"))]
    pd.testing.assert_frame_equal(first[same], second[same])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reward=calm", "reward.subgoals=[pick up a key]"], "did you mean pick up the key?"),
        (["reward=calm", "reward.table=counts", "reward.once=false"], "table=counts does not pay subgoals"),
        (["reward=calm", "reward.subgoals=[Open the door,open the  door]"], "has one twice"),
        (["reward=calm", "reward.llm=recorded:/nowhere"], "holds no annotations.csv"),
        (["reward=ellm", "reward.threshold=2"], "must be at most 1"),
        (["reward=ellm", "reward.error=0.1", "reward.llm=openai", "reward.model=m"], "only with reward.llm=scripted"),
        (["reward=ellm", "env=gym", "env.id=CartPole-v1"], "cannot give ahead, held"),
    ],
)
def test_what_does_not_fit_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    env = [] if "env=gym" in words else ["env=empty_5x5"]
    assert main(["run", *words, *env, "frames=100", "results_dir=/nonexistent"]) == 2
    line = capsys.readouterr().err
    assert said in line and len(line.splitlines()) == 1
