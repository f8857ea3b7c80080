"""Instruction curricula on forms: where episodes begin, what they pay, and that runs go on exactly."""

import json
from pathlib import Path

import numpy as np
import pytest

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.records import checkpoint
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_evaluation_env
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning
from rewardlab.types import Outcomes

pytestmark = pytest.mark.usefixtures("composed_together")
SEEDS = list(range(64))
SHAPED = ["reward=terms", "reward.terms.progress=null", "reward.terms.matched=matched - was_matched"]


def built(*overrides: str):
    return build(compose(["env=formfill", "num_envs=64", *overrides]).config)


def begun(parts):
    """The states in which episodes begin, as the environment has them."""
    parts.env.reset(SEEDS)
    return parts.env._env.arrays


def submit(parts) -> np.ndarray:
    return np.full(64, parts.env.spec.action.n // (2 * parts.env._env.arrays["field"].shape[1]) - 1)


def test_all_done_beforehand_submitting_alone_pays() -> None:
    parts = built("env.fields=3", "curriculum=formfill_warm", "curriculum.start=1")
    arrays = begun(parts)
    assert np.array_equal(arrays["text"], arrays["wanted"]) and (arrays["value"] > 0).all()
    batch = parts.env.step(submit(parts))
    assert (batch.task_reward == 1).all() and batch.success.all()


@pytest.mark.parametrize(("progress", "chance"), [(0.0, 0.9), (0.25, 0.45), (0.5, 0.0), (1.0, 0.0)])
def test_less_and_less_is_done_beforehand(progress: float, chance: float) -> None:
    parts = built("env.fields=4", "curriculum=formfill_warm", "curriculum.until=0.5")
    assert parts.curriculum.update(progress)["starts/filled"] == pytest.approx(chance)
    done, plain = [], built("env.fields=4").env
    for seed in range(10):
        parts.env.reset([64 * seed + i for i in range(64)])
        arrays = parts.env._env.arrays
        done.append(((arrays["text"] > 0) & (arrays["text"] == arrays["wanted"])).sum(axis=1))
        assert np.array_equal(arrays["text"] > 0, arrays["text"] * (arrays["text"] == arrays["wanted"]) > 0)
        plain.reset([64 * seed + i for i in range(64)])
        assert all(np.array_equal(arrays[name], plain.arrays[name]) for name in ("field", "value", "wanted"))
    counts = np.bincount(np.concatenate(done), minlength=5) / 640
    binomial = [1, 4, 6, 4, 1] * chance ** np.arange(5) * (1 - chance) ** np.arange(4, -1, -1)
    np.testing.assert_allclose(counts, binomial, atol=0.07)


@pytest.mark.parametrize(("progress", "k"), [(0.0, 1), (0.19, 1), (0.21, 2), (0.41, 3), (0.61, 4), (1.0, 4)])
def test_goals_grow(progress: float, k: int) -> None:
    parts = built("env.fields=4", "curriculum=formfill_goals")
    parts.curriculum.update(progress)
    arrays, plain = begun(parts), built("env.fields=4").env
    plain.reset(SEEDS)
    assert ((arrays["value"] > 0).sum(axis=1) == k).all() and ((arrays["wanted"] > 0).sum(axis=1) == k).all()
    assert not arrays["text"].any() and ((arrays["value"] > 0).mean(axis=0) > 0.1).all(), "any pair may stay"
    assert np.array_equal(arrays["wanted"], np.where(arrays["wanted"] > 0, plain.arrays["wanted"], 0))
    seen = parts.env._env.observe()["vector"].reshape(64, 2, 4, 6)[:, 0]
    assert np.array_equal(seen.any(axis=2), arrays["value"] > 0), "pairs that are cut are not seen"
    elements = arrays["text"].shape[1] + 1
    for pair in range(4):  # whoever fills in what is left is paid, and pairs that are cut type nothing
        parts.env.step(4 * elements + pair * elements + arrays["field"][:, pair])
    assert (parts.env.step(submit(parts)).task_reward == 1).all()


def test_pages_read_back_are_brought_about_by_their_instruction() -> None:
    parts = built("env.fields=3", "curriculum=formfill_meta", "curriculum.ordinary=0", "curriculum.capacity=500")
    arrays = begun(parts)
    asked = (arrays["value"] > 0).sum(axis=1)
    assert set(asked.tolist()) == {1, 2, 3} and not arrays["text"].any()
    assert np.array_equal(asked, (arrays["wanted"] > 0).sum(axis=1))
    elements = arrays["text"].shape[1] + 1
    for pair in range(3):
        parts.env.step(3 * elements + pair * elements + arrays["field"][:, pair])
    batch = parts.env.step(submit(parts))
    assert (batch.task_reward == 1).all()
    parts.env.reset(SEEDS)
    metrics = parts.curriculum.update(0.0)
    assert metrics["tasks/solved"] == 1.0 and metrics["tasks/kept"] >= 64


def test_a_misread_page_is_still_what_pays() -> None:
    parts = built("env.fields=1", "curriculum=formfill_meta", "curriculum.ordinary=0", "curriculum.noise=1")
    arrays = begun(parts)
    named, wanted = arrays["field"][:, 0].copy(), arrays["wanted"].argmax(axis=1)
    assert (named == wanted).mean() == pytest.approx(1 / 3, abs=0.2)
    elements = arrays["text"].shape[1] + 1
    parts.env.step(elements + named)
    assert np.array_equal(parts.env.step(submit(parts)).success, named == wanted)


def test_a_task_is_tried_twice_and_then_comes_back_by_how_learnable_it_is() -> None:
    parts = built("curriculum=formfill_meta", "curriculum.ordinary=0", "curriculum.replay=1", "num_envs=64")
    curriculum, arrays = parts.curriculum, begun(parts)
    task, at = (entry.copy() for entry in parts.env.begun)
    assert sorted(task.tolist()) == sorted([*range(32), *range(32)])
    for name in ("field", "value", "wanted"):
        for one in range(32):
            first, second = np.flatnonzero(task == one)
            assert np.array_equal(arrays[name][first], arrays[name][second])
    paid = np.where((task == 5) & (np.arange(64) == np.flatnonzero(task == 5)[0]), 1.0, -1.0)
    curriculum.feedback(Outcomes(task, at, paid))
    content = {name: arrays[name][task == 5][0].copy() for name in ("field", "value", "wanted")}
    parts.env.reset(SEEDS)
    assert (parts.env.begun[0] == 5).all(), "the only one that is neither mastered nor out of reach"
    assert all((arrays[name] == content[name]).all() for name in content)


def test_a_share_begins_as_the_task_has_it() -> None:
    parts = built("env.fields=4", "curriculum=formfill_meta", "curriculum.ordinary=0.5")
    arrays, ordinary = begun(parts), parts.env.begun[0] == -1
    plain = built("env.fields=4").env
    plain.reset(SEEDS)
    assert 0.3 < ordinary.mean() < 0.7
    for name, entry in plain.arrays.items():
        assert np.array_equal(arrays[name][ordinary], entry[ordinary])


@pytest.mark.parametrize("curriculum", ["formfill_warm", "formfill_goals", "formfill_meta"])
def test_shaping_adds_up_to_what_was_gained_in_every_episode(curriculum: str) -> None:
    """From what was done beforehand on, which is not paid."""
    config = compose(
        ["env=formfill", "env.fields=3", "num_envs=16", f"curriculum={curriculum}", *SHAPED, "agent.rollout_steps=64"]
    ).config
    parts = build(config)
    rollout = make_learning(config, parts).collector.collect(64, parts.generators.torch_rngs["act"])
    paid = parts.scheme.compute(rollout).streams["matched"]
    before, after = rollout.current_privileged["matched"], rollout.privileged["matched"]
    total, start, ends, begun_at = 0.0, 0.0, 0, []
    for i in range(16):
        for t in range(64):
            if rollout.first[t, i]:
                total, start = 0.0, float(before[t, i])
                begun_at.append(start)
            total += float(paid[t, i])
            if rollout.done[t, i]:
                assert total == pytest.approx(float(after[t, i]) - start, abs=1e-5)
                ends += 1
    assert ends > 50 and any(begun_at) == (curriculum == "formfill_warm")


def test_evaluation_begins_as_the_task_has_it() -> None:
    options = ["env=formfill", "eval.episodes=8"]
    config, plain = (compose([*options, f"curriculum={name}"]).config for name in ("formfill_warm", "none"))
    spec = build(plain).env.spec
    shown = [make_evaluation_env(each, spec, None)[0].reset([0] * 8)["vector"] for each in (config, plain)]
    assert np.array_equal(*shown)


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path, fault) -> None:
    options = ["env=formfill", "curriculum=formfill_meta", "curriculum.capacity=20", "num_envs=8", "frames=1024"]
    options += ["agent.rollout_steps=32", "eval.every=512", "eval.episodes=4", "checkpoint.every=256"]
    whole, broken = (compose([*options, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 3):
        assert run(broken) == 1
    assert run(broken) == 0
    manifest = json.loads((broken.folder / "manifest.json").read_text())
    assert manifest["resume"] == "exact" and "state_restore" in manifest["assumes"]
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0]["curriculum"] for each in (whole, broken)]
    assert states[0]["archive"]["next"] > 20 and states[0]["solved"] == states[1]["solved"]
    for piece in ("archive", "tasks"):
        for name, value in states[0][piece].items():
            assert np.array_equal(value, states[1][piece][name]), name


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["env=doorkey_5x5", "curriculum=formfill_warm"], "changes instructions and pages, and MiniGrid-DoorKey-5x5"),
        (["env=slots", "curriculum=formfill_meta"], "use env=formfill"),
        (["env=formfill", "curriculum=formfill_goals", "curriculum.until=0"], "must be greater than 0"),
        (["env=formfill", "curriculum=formfill_warm", "curriculum.start=2"], "must be at most 1"),
        (["env=formfill", "curriculum=formfil_warm"], "did you mean formfill_warm?"),
    ],
)
def test_bad_input_is_one_line(overrides: list[str], line: str, tmp_path: Path, capsys) -> None:
    assert main(["run", *overrides, f"results_dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
