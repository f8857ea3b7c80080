"""The teacher's turns, what they are paid, and that it learns."""

import numpy as np
import pytest
import torch

from rewardlab.gridworld.maze_drawing import MazeDrawing
from rewardlab.parts.models.designer_policy import NOISE, DesignerPolicy, Drawn, turn_advantages
from rewardlab.types import Array

SIZE, WALLS, COUNT = 5, 4, 32


def _canvas(count: int = COUNT, *, vary: bool = False, seed: int = 0) -> MazeDrawing:
    return MazeDrawing(count, SIZE, "walls_first", WALLS, np.random.default_rng(seed), vary=vary)


def _policy(**options: float) -> DesignerPolicy:
    canvas, generator = _canvas(), torch.Generator().manual_seed(0)
    return DesignerPolicy(canvas.most, canvas.cells, canvas.shape, generator, filters=8, **options)  # type: ignore[arg-type]


def _draws(policy: DesignerPolicy, *, vary: bool = False, seed: int = 1) -> Drawn:
    policy.draw(_canvas(vary=vary), torch.Generator().manual_seed(seed))
    assert policy._drawn is not None
    return policy._drawn


def _advantages_by_hand(reward: float, values: list[float]) -> list[float]:
    """Of the turns of one level: no discount but that of the sum over later one-step errors."""
    gamma, decay, last = 0.995, 0.995 * 0.95, len(values) - 1
    errors = [(reward if t == last else gamma * values[t + 1]) - values[t] for t in range(len(values))]
    return [sum(decay ** (k - t) * errors[k] for k in range(t, len(values))) for t in range(len(values))]


@pytest.mark.parametrize("vary", [False, True])
def test_the_last_turn_of_each_level_is_paid_that_level_s_reward(vary: bool) -> None:
    drawn = _draws(_policy(), vary=vary)
    turns = drawn.open.sum(dim=0).tolist()
    assert (len(set(turns)) > 1) == vary and max(turns) <= WALLS + 2
    rewards = torch.rand(COUNT, generator=torch.Generator().manual_seed(2))
    found = turn_advantages(rewards, drawn)
    for level in range(COUNT):
        expected = _advantages_by_hand(float(rewards[level]), drawn.values[: turns[level], level].tolist())
        torch.testing.assert_close(found[: turns[level], level], torch.tensor(expected), rtol=1e-5, atol=1e-6)
    others = rewards.clone()
    others[3] += 1.0
    changed = (turn_advantages(others, drawn) != found)[drawn.open.any(dim=1)] & drawn.open
    assert changed[:, 3].sum() == turns[3] and not changed[:, [n for n in range(COUNT) if n != 3]].any()


@pytest.mark.parametrize("memory_size", [0, 6])
def test_learning_sees_the_turns_as_they_were_taken(memory_size: int) -> None:
    policy = _policy(memory_size=memory_size)
    drawn = _draws(policy, vary=True)
    with torch.no_grad():
        logits, values, _ = policy._network(drawn.seen, drawn.noise, 0, None)
    log_prob = logits.log_softmax(dim=-1).gather(-1, drawn.action[..., None])[..., 0]
    torch.testing.assert_close(log_prob[drawn.open], drawn.log_prob[drawn.open], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(values[drawn.open], drawn.values[drawn.open], rtol=1e-4, atol=1e-5)
    assert drawn.noise.shape == (len(drawn.seen), COUNT, NOISE)
    assert 0 <= drawn.noise.min() < 0.01 and 0.99 < drawn.noise.max() < 1
    assert len(np.unique(drawn.noise.numpy())) > 0.99 * drawn.noise.numel()


def test_levels_that_paid_more_become_likelier_than_those_that_paid_less() -> None:
    policy = _policy(epochs=1)
    drawn = _draws(policy)
    rewards = np.arange(COUNT) % 2 * 2.0 - 1.0
    policy.update(rewards)
    with torch.no_grad():
        logits, _, _ = policy._network(drawn.seen, drawn.noise, 0, None)
    log_prob = logits.log_softmax(dim=-1).gather(-1, drawn.action[..., None])[..., 0]
    grown = (log_prob - drawn.log_prob).sum(dim=0)
    assert grown[1::2].mean() > 0 > grown[::2].mean()


@pytest.mark.parametrize("memory_size", [0, 16])
def test_it_learns_where_the_goal_is_wanted(memory_size: int) -> None:
    policy, rng = _policy(learning_rate=5e-3, memory_size=memory_size), torch.Generator().manual_seed(0)
    shares = []
    for turn in range(20):
        canvas = _canvas(seed=turn)
        policy.draw(canvas, rng)
        wanted: Array = (canvas.mazes().goal % SIZE < 2).astype(np.float64)
        told = policy.update(wanted)
        shares.append(wanted.mean())
    assert np.mean(shares[:3]) < 0.6 and np.mean(shares[-3:]) > 0.9
    assert set(told) == set(policy.metrics) and 0 < told["loss/teacher_entropy"] < np.log(SIZE * SIZE)


def test_it_goes_on_from_its_state() -> None:
    policy, other = _policy(memory_size=4), _policy(memory_size=4)
    for seed in range(2):
        _draws(policy, seed=seed)
        policy.update(np.arange(COUNT) / COUNT)
    other.load_state_dict(policy.state_dict())
    for seed in range(2):
        first, second = _draws(policy, seed=seed), _draws(other, seed=seed)
        assert torch.equal(first.action, second.action)
        assert policy.update(np.arange(COUNT) / COUNT) == other.update(np.arange(COUNT) / COUNT)
