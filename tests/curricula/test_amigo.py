"""AMIGo against hand-made numbers and slow recomputations of its formulas."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from rewardlab.config import composition, identity
from rewardlab.contracts.state_laws import new_context
from rewardlab.curricula import amigo
from rewardlab.errors import UserError
from rewardlab.maths.goals import changed, goal_reward, offsets, teacher_loss, teacher_reward
from rewardlab.types import ActionSpec, Asked, Attempts, EnvSpec

AHEAD = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}  # MiniGrid: right, down, left, up


def a_spec(*facts: str) -> EnvSpec:
    return EnvSpec("made-up", {}, ActionSpec(n=7), max_steps=100, privileged=facts)


def a_teacher(**options) -> amigo.Conditioner:
    return amigo.Conditioner(amigo.Config(name="amigo", **options), new_context(a_spec("grid")))


def some_grids(count: int, width: int = 5, height: int = 4) -> np.ndarray:
    """Random cells, and in each grid one agent."""
    rng = np.random.default_rng(1)
    grids = rng.integers(0, (10, 6, 3), size=(count, width, height, 3)).astype(np.uint8)
    for grid in grids:
        grid[rng.integers(width), rng.integers(height)] = (10, 0, rng.integers(4))
    return grids


def some_attempts(count: int, steps: int, reached: bool, reward: float = 0.0) -> Attempts:
    goal = {"cell": np.arange(count) % 20, "log_prob": np.full(count, -3.0, dtype=np.float32)}
    return Attempts(
        goal,
        {"grid": some_grids(count)},
        np.full(count, steps),
        np.full(count, reached),
        np.full(count, reward, dtype=np.float32),
        {"grid": some_grids(count)},
        np.full(count, reward > 0),
        np.full(count, reward),
    )


def test_offsets_are_cells_ahead_and_to_the_right() -> None:
    grids = some_grids(40)
    cell = np.random.default_rng(2).integers(20, size=40)
    found = offsets(grids, cell)
    for grid, number, (ahead, right) in zip(grids, cell, found.tolist(), strict=True):
        ((x, y),) = np.argwhere(grid[..., 0] == 10).tolist()
        direction = int(grid[x, y, 2])
        to_right = AHEAD[(direction + 1) % 4]
        reached = (
            x + ahead * AHEAD[direction][0] + right * to_right[0],
            y + ahead * AHEAD[direction][1] + right * to_right[1],
        )
        assert reached == divmod(number, 4)  # a cell's number is column * height + row


def test_a_cell_has_changed_if_any_of_its_three_numbers_has() -> None:
    before = np.repeat(some_grids(1), 5, axis=0)
    after = before.copy()
    for i in range(3):
        after[i, 2, 3, i] += 1
    after[3, 2, 2] += 1  # another cell
    assert changed(before, after, np.full(5, 2 * 4 + 3)).tolist() == [True, True, True, False, False]


def test_the_student_loses_nine_tenths_at_the_limit() -> None:
    reached, steps = torch.tensor([True, True, True, False]), torch.tensor([1, 50, 100, 50])
    assert goal_reward(reached, steps, 100, 0.9).tolist() == pytest.approx([0.991, 0.55, 0.1, 0.0])
    assert (
        goal_reward(reached, steps, 100, 0.0).tolist()
        == goal_reward(reached, steps, None, 0.9).tolist()
        == [1, 1, 1, 0]
    )


def test_the_teacher_is_paid_for_hard_goals_that_were_reached() -> None:
    steps, reached = np.array([6, 7, 8, 90]), np.array([True, True, True, False])
    assert teacher_reward(steps, reached, 7.0, 0.7, 0.3).tolist() == pytest.approx([-0.3, 0.7, 0.7, -0.3])


def test_the_teachers_loss_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    logits, value, reward = rng.normal(size=(6, 9)), rng.normal(size=6), rng.normal(size=6)
    cell, log_prob = rng.integers(9, size=6), np.log(rng.uniform(0.02, 0.5, size=6))
    total, total_entropy, ratios = 0.0, 0.0, []
    for i in range(6):
        exponentials = [math.exp(x) for x in logits[i]]
        policy = [e / sum(exponentials) for e in exponentials]
        ratios.append(min(1.0, policy[cell[i]] / math.exp(log_prob[i])))
        error = ratios[-1] * (reward[i] - value[i])
        entropy = -sum(p * math.log(p) for p in policy)
        total += -error * math.log(policy[cell[i]]) + 0.25 * error**2 - 0.05 * entropy
        total_entropy += entropy
    assert min(ratios) < 1.0 == max(ratios)
    tensors = [torch.from_numpy(x) for x in (logits, value, cell, log_prob, reward)]
    loss, entropy = teacher_loss(*tensors, 0.25, 0.05)
    assert float(loss) == pytest.approx(total / 6)
    assert float(entropy) == pytest.approx(total_entropy / 6)


def test_the_policys_gradient_does_not_pass_through_the_value() -> None:
    logits, value = torch.zeros(4, 9, requires_grad=True), torch.zeros(4, requires_grad=True)
    cell, reward = torch.tensor([0, 1, 2, 3]), torch.ones(4)
    loss, _ = teacher_loss(logits, value, cell, torch.full((4,), -math.log(9.0)), reward, 0.0, 0.0)
    loss.backward()
    assert value.grad is None or not value.grad.any()
    # d/dlogits of -(r - V) log pi, averaged: (pi - chosen) / 4
    expected = torch.full((4, 9), 1 / 9) - torch.eye(9)[:4]
    assert torch.allclose(logits.grad, expected / 4, atol=1e-6)


def test_difficulty_grows_after_so_many_mastered_batches_in_a_row() -> None:
    teacher = a_teacher(batch_size=4, patience=3, start_target=7, largest_target=8)
    targets = []
    for mastered in (True, True, False, True, True, True, True, True, True):
        teacher.take_in(some_attempts(4, steps=9, reached=mastered))
        targets.append(teacher.update()["goals/target"])
    assert targets == [7, 7, 7, 7, 7, 8, 8, 8, 8]  # a miss begins anew; no further than the largest


def test_the_tasks_reward_pays_the_teacher_and_does_not_count_for_difficulty() -> None:
    teacher = a_teacher(batch_size=4, patience=1)
    teacher.take_in(some_attempts(4, steps=1, reached=False, reward=0.5))
    told = teacher.update()
    assert told["goals/teacher_reward"] == 1.0 and told["goals/target"] == 7.0


def test_it_learns_in_whole_batches_and_keeps_the_rest() -> None:
    teacher = a_teacher(batch_size=4)
    teacher.take_in(some_attempts(3, steps=2, reached=True))
    assert set(teacher.update()) == {"goals/target"}
    teacher.take_in(some_attempts(7, steps=5, reached=False))
    told = teacher.update()  # 3 + 1, then 4; 2 wait
    assert told["goals/reached"] == pytest.approx((3 / 4 + 0) / 2)
    assert told["goals/steps"] == pytest.approx(((3 * 2 + 5) / 4 + 5) / 2)
    assert len(teacher.state_dict()["ended"]["cell"]) == 2


def test_the_teacher_learns_to_set_what_it_is_paid_for() -> None:
    """Only cell 7 takes long enough to reach: its share grows from 1 in 20 to most."""
    teacher = a_teacher(batch_size=50, entropy_coef=0.0)
    grids, rng = some_grids(1).repeat(50, axis=0), torch.Generator().manual_seed(0)
    share = []
    for _ in range(150):
        goal = teacher.propose(Asked(50, {"grid": grids}, {}, True, np.ones(50, bool)), rng)
        share.append(float((goal["cell"] == 7).mean()))
        reached = goal["cell"] == 7
        facts, never = {"grid": grids}, np.zeros(50, dtype=bool)
        nothing = np.zeros(50, dtype=np.float32)
        teacher.take_in(Attempts(goal, facts, np.full(50, 200), reached, nothing, facts, never, nothing))
        teacher.update()
    assert np.mean(share[:5]) < 0.2 and np.mean(share[-5:]) > 0.8


def test_goals_are_reached_by_change_or_by_being_there() -> None:
    start, now = some_grids(1), some_grids(1)
    start[0, 1, 1], now[0, 1, 1] = (4, 0, 2), (4, 0, 1)  # a door is unlocked
    now[now[..., 0] == 10] = (1, 0, 0)
    now[0, 3, 2] = (10, 0, 0)
    for reach, expected in (("change", [True, True]), ("agent", [False, True])):
        teacher = a_teacher(reach=reach)
        goals = [{"cell": np.array([cell])} for cell in (1 * 4 + 1, 3 * 4 + 2)]
        found = [teacher.reached(goal, {"grid": start}, {"grid": now}).item() for goal in goals]
        assert found == expected


@pytest.mark.parametrize("env", [["env=gym", "env.id=CartPole-v1"]])
def test_a_world_without_a_grid_is_refused_in_one_line(env: list[str], tmp_path) -> None:
    from rewardlab.training.build import build

    config = composition.compose([*env, "curriculum=amigo", f"results_dir={tmp_path}"]).config
    with pytest.raises(UserError, match="grid") as refusal:
        build(config)
    assert "\n" not in str(refusal.value)
    with pytest.raises(UserError, match="curriculum=amigo: sets cells of a grid as goals"):
        amigo.Conditioner(amigo.Config(name="amigo"), new_context(a_spec("state_hash")))


def test_settings_without_a_curriculum_keep_their_id(tmp_path) -> None:
    config, taught = (
        composition.compose([f"curriculum={name}", f"results_dir={tmp_path}"]) for name in ("none", "amigo")
    )
    bare = dataclasses.replace(config.config, curriculum=None)
    assert identity.setting_id(bare) == config.setting_id != taught.setting_id
    assert config.folder.parent.name == "ppo" and taught.folder.parent.name == "ppo+amigo"
