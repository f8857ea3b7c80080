"""Rewards that are given as code: what the code sees, and what is paid for what it says."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import worlds
from rewardlab.envs.grids.facts import FullGrid, Held
from rewardlab.errors import CodeError, UserError
from rewardlab.parts.written_code import kind_of, writer_of
from rewardlab.parts.written_state import MOST_OBJECTS, grid_arrays
from rewardlab.rewards.written import written
from rewardlab.sandbox import process
from rewardlab.schemas import check

pytestmark = pytest.mark.skipif(process.available() is not None, reason=f"no sandbox here: {process.available()}")
GAMMA = 0.97  # of the made-up contexts


def code(folder: Path, text: str) -> str:
    file = folder / "mine.py"
    file.write_text(text)
    return str(file)


def written_case(folder: Path, text: str, **options: object) -> object:
    return case("written", code=code(folder, text), state="grid", **options)


TASKS = ("MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-ObstructedMaze-Full-v1", "MiniGrid-Fetch-8x8-N3-v0")


@pytest.mark.parametrize("env_id", TASKS)
def test_code_sees_what_farama_has_in_its_grid(env_id: str) -> None:
    env = gymnasium.make(env_id).unwrapped
    rng = np.random.default_rng(0)
    grids, held, expected = [], [], []
    for seed in range(12):
        env.reset(seed=seed)
        for _ in range(15):
            env.step(int(rng.choice(6, p=[0.1, 0.1, 0.4, 0.2, 0.1, 0.1])))
        grids.append(FullGrid(env)())
        held.append(Held(env)())
        expected.append(_seen(env))
    found = grid_arrays(np.stack(grids), np.array(held))
    for row, facts in enumerate(expected):
        for name, value in facts.items():
            if name == "objects":
                told = np.stack(
                    [found[f"object_{part}"][row] for part in ("kind", "colour", "state", "x", "y")], axis=1
                )
                assert told[: len(value)].tolist() == value and (told[len(value) :] == -1).all()
            else:
                assert int(found[name][row]) == value, name


def _seen(env: object) -> dict[str, object]:
    front = env.grid.get(*env.front_pos)
    kind, colour, state = (1, 0, 0) if front is None else front.encode()
    carried = (0, 0) if env.carrying is None else env.carrying.encode()[:2]
    objects = []
    for y in range(env.height):
        for x in range(env.width):
            thing = env.grid.get(x, y)
            if (
                thing is not None
                and thing.type in ("door", "key", "ball", "box", "goal")
                and (x, y) != tuple(env.agent_pos)
            ):
                objects.append([*map(int, thing.encode()), x, y])
    assert len(objects) <= MOST_OBJECTS
    place = {"agent_x": env.agent_pos[0], "agent_y": env.agent_pos[1], "agent_direction": env.agent_dir}
    ahead = {"front_kind": kind, "front_colour": colour, "front_state": state}
    return {**place, **ahead, "carrying_kind": carried[0], "carrying_colour": carried[1], "objects": objects}


@pytest.mark.parametrize("pay", ["potential", "difference", "auto"])
def test_a_potential_pays_its_differences(tmp_path: Path, pay: str) -> None:
    """Discounted ones, with 0 in terminal states; or plain ones, where the step that terminates pays nothing."""
    text = "def potential(state):\n    return state.grid[:, 0, 0, 0] / 4.0 - state.carrying_kind"
    ours = written_case(tmp_path, text, pay=pay)
    scheme, _ = ours.build()
    assert scheme.potential_based == (pay == "potential")
    ends = 0
    for rollout in rollouts(ours, 40, 9):
        paid = scheme.compute(rollout).streams
        before, after = (
            facts["grid"][..., 0, 0, 0] / 4.0 - facts["held"][..., 0]
            for facts in (rollout.current_privileged, rollout.privileged)
        )
        if pay == "potential":
            expected = GAMMA * after.masked_fill(rollout.terminated, 0.0) - before
        else:
            expected = (after - before).masked_fill(rollout.terminated, 0.0)
        torch.testing.assert_close(paid["written"], expected.float())
        assert torch.equal(paid["task"], rollout.task_reward)
        ends += int((rollout.truncated & ~rollout.terminated).sum())
    assert ends > 2


def test_rewards_are_paid_as_they_are_and_splits_by_their_signs(tmp_path: Path) -> None:
    text = "def compute_reward(before, action, after): return action * 0.5 - before.agent_x, {'part': after.agent_x}"
    direct = written_case(tmp_path, text, clip=2.0)
    scheme, _ = direct.build()
    rollout = rollouts(direct, 30)[0]
    x = torch.from_numpy(
        grid_arrays(rollout.current_privileged["grid"].flatten(0, 1).numpy(), np.zeros((120, 2)))["agent_x"]
    )
    expected = (rollout.action.flatten() * 0.5 - x).clip(-2, 2).view(rollout.action.shape)
    torch.testing.assert_close(scheme.compute(rollout).streams["written"], expected.float())
    told = scheme.update(rollout)
    assert told["written/clipped"] > 0 and told["written/nonfinite"] == 0 and told["written/least"] == -2.0
    text = "def dense(before, action, after): return action - 1\n"
    text += "def sparse(before, action, after): return -1 * (action == 2)"
    split = written_case(tmp_path, text)
    paid = split.build()[0].compute(rollout).streams["written"]
    torch.testing.assert_close(paid, 0.1 * (rollout.action - 1).sign().float() - (rollout.action == 2).float())


def test_what_is_not_finite_pays_nothing_and_too_much_of_it_fails(tmp_path: Path) -> None:
    a_case = written_case(
        tmp_path, "def compute_reward(before, action, after): r = action * 1.0; r[3] = np.nan; return r"
    )
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 30)[0]
    assert scheme.compute(rollout).streams["written"].flatten()[3] == 0
    assert scheme.update(rollout)["written/nonfinite"] == pytest.approx(1 / 120)
    a_case = written_case(tmp_path, "def compute_reward(before, action, after): return action / 0.0 * 0")
    with pytest.raises(CodeError, match=r"reward\.code=.*mine\.py: 100% of what it pays is not finite"):
        a_case.build()[0].compute(rollout)
    a_case = written_case(tmp_path, "def compute_reward(before, action, after): return after.grid[:, 99]")
    with pytest.raises(CodeError, match=r"mine\.py: IndexError: .* \(line 1 of the code\)"):
        a_case.build()[0].compute(rollout)


def test_errors_may_pay_nothing_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rewardlab.sandbox.process", "rewardlab.rewards.written.code_states"):
        monkeypatch.setattr(f"{module}.ROWS", 50)  # so that a rollout of 120 steps is asked for in three pieces
    text = "def compute_reward(before, action, after):\n    if len(action) {} 50: 1 / 0\n    return after.agent_x"
    rollout = rollouts(first := written_case(tmp_path, text.format(">")), 30)[0]
    paid = first.build()[0].compute(rollout).streams["written"].flatten()
    scheme, _ = written_case(tmp_path, text.format("<"), on_error="zero").build()
    found, told = scheme.compute(rollout).streams["written"].flatten(), scheme.update(rollout)
    assert torch.equal(found[:100], paid[:100]) and (found[100:] == 0).all() and (paid[100:] != 0).any()
    assert told["written/errors"] == pytest.approx(1 / 6) and told["written/nonfinite"] == 0
    text = "def compute_reward(before, action, after): raise SystemExit"
    scheme, _ = written_case(tmp_path, text, on_error="zero").build()
    assert (scheme.compute(rollout).streams["written"] == 0).all() and scheme.update(rollout)["written/errors"] == 1
    monkeypatch.setattr("rewardlab.parts.written_code.WrittenCode.running", False)  # as where each error is a death
    with pytest.raises(CodeError, match=r"once more after 3 restarts"):
        _ = [scheme.compute(rollout) for _ in range(2)]


def test_who_wrote_it_is_told_by_its_last_word_on_it(tmp_path: Path) -> None:
    text = "# writer: hand\ndef potential(state): return state.agent_x\n"
    for last, writer, assumed in (
        ("", "hand", {"privileged"}),
        ("# writer: eureka, a\x1bb", "eureka, a?b", {"privileged", "llm"}),
    ):
        scheme, _ = written_case(tmp_path, text + last).build()
        assert writer_of(scheme.code) == writer and scheme.assumes == assumed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def reward(): pass", "defines none of the functions"),
        ("def potential(state): pass\ndef progress(state): pass", "defines several of the functions"),
        ("import os\ndef potential(state): pass", r"line 1 imports os \(allowed: math, numpy\)"),
        ("from . import x\ndef potential(state): pass", r"line 1 imports \. "),
        ("def potential(state:", "is no Python in line 1"),
        ("#" * 20_001, "has 20001 bytes"),
    ],
)
def test_texts_that_are_no_reward_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        kind_of(text)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    potential = code(tmp_path, "def potential(state): return state.agent_z")
    for options, says in (
        ({"code": "stage"}, "code=stage: no such file.*did you mean stages"),
        ({"code": potential, "pay": "signed"}, "pay=signed: of split, and .*mine.py defines potential"),
        ({"pay": "direct", "code": "loitering", "coef": -1.0}, "coef"),
    ):
        with pytest.raises((ValueError, UserError), match=says):
            check(written.Config(plugin="written", **options), "reward")  # type: ignore[arg-type]
    world = next(world for world in worlds(("grid", "held")).values() if "image" in world.obs)
    config = written.Config(plugin="written", code=potential, state="grid")
    with pytest.raises(UserError, match=r"line 1 reads agent_z, which is not told; did you mean agent_y\?"):
        written.Scheme(config, new_context(world))
