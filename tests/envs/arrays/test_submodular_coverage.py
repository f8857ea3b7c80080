"""Coverage: what is paid adds up to F, SubPO's gradient by enumeration, the fork that only gamma=1 takes rightly."""

import csv
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import coverage
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import submodular
from rewardlab.maths.gae import gae
from rewardlab.run import run

OBJECTIVES = ("cover", "items", "entropy")


def played(config, actions):
    """Rewards float64 [H, N] and the cells that were left [H + 1, N], of actions [H, N]."""
    env = coverage.make(config, Levels(actions.shape[1]))
    env.reset(range(actions.shape[1]))
    cells, rewards = [env.arrays["cell"].copy()], []
    for action in actions:
        batch = env.step(action)
        rewards.append(batch.task_reward.astype(np.float64))
        cells.append(batch.next_obs["vector"][:, : config.rows * config.columns].argmax(axis=1))
    assert batch.terminated.all() and (env.arrays["visited"].sum(axis=1) == 1).all()
    return np.array(rewards), np.array(cells)


def by_hand(config, path):
    """F of the cells of a path, counted one by one."""
    cells = {(int(cell) // config.columns, int(cell) % config.columns) for cell in path}
    if config.objective == "cover":
        everything = itertools.product(range(config.rows), range(config.columns))
        return sum(any(abs(a - c) + abs(b - d) <= config.radius for c, d in cells) for a, b in everything)
    if config.objective == "entropy":
        kernel = [[np.exp(-((a - c) ** 2 + (b - d) ** 2) / 2) for c, d in cells] for a, b in cells]
        noisy = np.array(kernel) + 1e-6 * np.eye(len(cells))
        return 0.5 * np.log(np.linalg.eigvalsh(noisy)).sum() + 0.5 * np.log(1e6) * len(cells)
    elsewhere = [cell for cell in range(config.rows * config.columns) if cell != config.start]
    order = np.random.default_rng(config.draw).permutation(elsewhere)[: config.kinds * config.each]
    kind = {int(cell): n % config.kinds for n, cell in enumerate(order)}
    held = [kind.get(a * config.columns + b) for a, b in cells]
    return sum(min(config.enough, held.count(k)) for k in range(config.kinds))


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_paid_adds_up_to_what_was_visited(objective, data):
    own = {"radius": data.draw(st.integers(0, 2))} if objective == "cover" else {}
    rows, columns = data.draw(st.integers(3, 5)), data.draw(st.integers(5, 6))
    start = data.draw(st.integers(0, rows * columns - 1))
    config = coverage.Config(objective=objective, rows=rows, columns=columns, start=start, horizon=9, **own)
    actions = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=9, max_size=9)))
    rewards, cells = played(config, actions)
    for i in range(2):
        sums = [by_hand(config, cells[: h + 1, i]) for h in range(10)]
        assert rewards[:, i] == pytest.approx(np.diff(sums), abs=1e-4)
    task = coverage.make(config, Levels(1)).spec.task
    assert (rewards >= -1e-6).all() and rewards.sum(axis=0).max() <= task.optimal_return + 1e-4


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=25, deadline=None)
@given(small=st.sets(st.integers(0, 19)), more=st.sets(st.integers(0, 19)))
def test_more_of_the_same_is_worth_less(objective, small, more):
    value = coverage.Config(objective=objective, rows=4, columns=5).value()
    held = np.zeros((2, 20), dtype=bool)
    held[0, list(small)] = held[1, list(small | more)] = True
    first, second = (submodular.marginals(value, each) for each in held)
    outside = ~held[1]
    assert (first[outside] >= second[outside] - 1e-6).all() and (second >= -1e-6).all()


def probabilities(logits, actions, cells):
    """Of every sequence of actions [H, N], and log-probabilities of its steps, by a softmax policy [H, S, 4]."""
    log = torch.log_softmax(logits, dim=-1)
    steps = log[torch.arange(len(actions))[:, None], torch.as_tensor(cells[:-1]), torch.as_tensor(actions)]
    return steps.sum(dim=0).exp(), steps


@pytest.mark.parametrize("objective", ["cover", "entropy"])
def test_the_policy_gradient_by_enumeration(objective):
    """All 256 episodes of 4 steps on 2 x 3 cells: whole returns have the gradient of J; gamma=0 has another."""
    config = coverage.Config(objective=objective, rows=2, columns=3, horizon=4, start=1)
    actions = np.array(list(itertools.product(range(4), repeat=4))).T
    rewards, cells = played(config, actions)
    returns = torch.as_tensor(rewards.sum(axis=0))
    logits = torch.randn(4, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def objective_of(given):
        return float(probabilities(given, actions, cells)[0] @ returns)

    numerical = torch.zeros_like(logits)
    for i in range(logits.numel()):
        step = torch.zeros(logits.numel(), dtype=torch.float64)
        step[i] = 1e-5
        step = step.view_as(logits)
        numerical.view(-1)[i] = (objective_of(logits + step) - objective_of(logits - step)) / 2e-5

    def gradient(credit):
        given = logits.clone().requires_grad_()
        chance, steps = probabilities(given, actions, cells)
        (chance.detach() * (steps * credit).sum(dim=0)).sum().backward()
        return given.grad

    paid = torch.as_tensor(rewards)
    ended = torch.zeros(4, 256, dtype=torch.bool)
    ended[-1] = True

    def advantages(gamma):
        zeros = torch.zeros(5, 256, dtype=torch.float64)
        return gae(paid.clone(), zeros, zeros[1:], ended, ended, gamma=gamma, gae_lambda=1.0)

    whole, myopic = gradient(advantages(1.0)), gradient(advantages(0.0))
    assert (whole - numerical).abs().max() < 1e-6
    prefix = gradient(paid.cumsum(dim=0))  # F so far, as the paper's code has it: the past is a baseline
    assert (prefix - myopic).abs().max() < 1e-12 and (myopic - numerical).abs().max() > 1e-3


def fork(tmp_path, gamma):
    """The greedy return after training on a row: three cells of 1 to the left, 0, 0, 0, 10 to the right."""
    prepared = compose([
        "env=coverage", "env.rows=1", "env.columns=8", "env.start=3", "env.horizon=4", "env.weights=[1,1,1,0,0,0,0,10]",
        "agent=ppo", f"agent.gamma={gamma}", "agent.gae_lambda=1", "agent.rollout_steps=4", "agent.entropy_coef=0.05",
        "agent.normalise_advantages=false",
        "num_envs=64", "frames=25_600", "eval.every=25_600", "eval.episodes=1", "eval.policy=greedy",
        f"results_dir={tmp_path}",
    ])  # fmt: skip
    assert run(prepared) == 0
    with open(prepared.folder / "eval.csv") as file:
        return float(list(csv.DictReader(file))[-1]["return_mean"])


@pytest.mark.parametrize(("gamma", "expected"), [(0, 3.0), (1, 10.0)])
def test_the_fork_is_taken_rightly_by_whole_returns_only(tmp_path, gamma, expected):
    assert fork(tmp_path, gamma) == expected


def test_random_play_returns_what_is_said():
    config = coverage.Config(rows=2, columns=3, horizon=5, start=1, radius=1, weights=[1, 2, 0, 3, 0.5, 1])
    rewards, _ = played(config, np.array(list(itertools.product(range(4), repeat=5))).T)
    assert coverage.returns(config)[0] == pytest.approx(rewards.sum(axis=0).mean(), abs=1e-6)


def test_modular_pay_is_for_training_alone():
    config = coverage.Config(rows=1, columns=2, horizon=4, pay="modular", show_visited=True)
    rewards, _ = played(config, np.array([[0], [1], [0], [1]]))
    assert rewards[:, 0].tolist() == [1.0] * 4
    reported = config.as_reported()
    assert played(reported, np.array([[0], [1], [0], [1]]))[0][:, 0].tolist() == [1.0, 0.0, 0.0, 0.0]
    env = coverage.make(config, Levels(1), ("picture", "state_hash"))
    assert env.reset([0])["vector"].tolist() == [[1, 0, 1, 0, 0, 0, 1, 0]]
    assert env.step(np.array([0])).next_obs["vector"].tolist() == [[0, 1, 0, 1, 0, 0, 1, 1]]
    assert env.privileged()["picture"].shape == (1, 200, 400, 3)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["env.start=36"], "start=36: there are 36 cells, from 0 to 35"),
        (["env.weights=[1,2]"], "weights: 2 of them; must be 36"),
        (["env.radius=1", "env.objective=items"], "radius=1: only objective=cover has it"),
        (["env.objective=items", "env.each=12"], "each=12: 36 items are more than the 35 other cells"),
        (["env.rows=100", "env.columns=100"], "rows=100: cells are 10000; must be from 2 to 2500"),
    ],
)
def test_what_it_refuses(overrides, reason):
    with pytest.raises(UserError, match=reason):
        compose(["env=coverage", *overrides])
