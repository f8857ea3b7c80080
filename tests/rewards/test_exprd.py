"""EXPRD: what its programs promise, checked by value iteration and loops."""

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import walk, worlds
from rewardlab.envs.arrays import deepsea
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths.reward_design import Design
from rewardlab.maths.tables import occupancy, restricted
from rewardlab.rewards.learned import exprd
from rewardlab.types import Mdp

GAMMA, HORIZONS = 0.9, (1, 3)


def task(seed: int, states: int = 7, actions: int = 3) -> Mdp:
    """Sparse: only state 0 pays."""
    rng = np.random.default_rng(seed)
    chance = 0.95 * rng.dirichlet(np.full(states, 0.2), size=(states, actions))
    reward = np.zeros((states, actions))
    reward[0] = rng.uniform(0.5, 1.5, size=actions)
    return Mdp(chance, reward, np.full(states, 1 / states))


def design(mdp: Mdp, r_max: float = 10.0, state_only: bool = False, sparsity: float = 0.0) -> Design:
    return Design(mdp, GAMMA, r_max, HORIZONS, state_only, sparsity)


def iterated(mdp: Mdp, reward):
    values = np.zeros(reward.shape)
    for _ in range(600):
        values = reward + GAMMA * mdp.chance @ values.max(axis=1)
    return values


def best_of(mdp: Mdp, reward):
    """Sets of best actions by value iteration."""
    values = iterated(mdp, reward)
    return values > values.max(axis=1, keepdims=True) - 1e-7


def only(*states: int):
    return np.isin(np.arange(7), states)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_best_stays_best_everywhere_and_nothing_else_becomes_it(seed):
    mdp = task(seed)
    found, free = design(mdp), only(0, 3)
    policy = np.random.default_rng(seed).dirichlet(np.ones(3), size=7)
    best = np.eye(3)[found.best]
    adapted = found.adapted(free, policy, occupancy(mdp, policy, GAMMA), occupancy(mdp, best, GAMMA))
    for reward in (found.informative(free), adapted, design(mdp, sparsity=1e-4).informative(free)):
        assert not reward[~free].any() and np.abs(reward).max() <= 10.0 + 1e-9
        assert np.abs(reward - mdp.reward).max() > 0.1
        assert not (best_of(mdp, reward) & ~best_of(mdp, mdp.reward)).any()
        gaps = found.gaps(reward)
        assert (gaps - found.least[:, None])[found.wrong].min() > -1e-6


def test_gaps_and_criterion_are_those_of_loops():
    mdp = task(3)
    found, reward = design(mdp), np.random.default_rng(4).normal(size=(7, 3))
    lacks = []
    for horizon in HORIZONS:
        values = np.zeros(7)  # what pi* is paid in as many steps
        for _ in range(horizon):
            values = np.array([reward[s, a] + GAMMA * mdp.chance[s, a] @ values for s, a in enumerate(found.best)])
        for s in range(7):
            q = [reward[s, a] + GAMMA * mdp.chance[s, a] @ values for a in range(3)]
            true = iterated(mdp, mdp.reward)[s]
            wrong = [a for a in range(3) if true[a] < true.max() - 1e-7]
            least = min(true.max() - true[a] for a in wrong) / (1 + 1e-5)
            lacks.append(max(0.0, max(least - (q[found.best[s]] - q[a]) for a in wrong)))
    assert found.criterion(reward) == pytest.approx(-np.mean(lacks))


def test_more_states_help_and_with_all_of_them_nothing_is_left_to_wish_for():
    mdp = task(7)
    found = design(mdp, r_max=1.5)
    picked = [found.picked(count) for count in (1, 2, 3, 7)]
    assert [int(free.sum()) for free in picked[:3]] == [1, 2, 3] and picked[0][0]
    reached = [found.criterion(found.informative(free)) for free in picked]
    assert reached[0] < reached[1] < reached[2] <= reached[3] + 1e-12
    assert found.criterion(mdp.reward) <= reached[0] + 1e-9
    assert found.criterion(found.informative(np.ones(7, dtype=bool))) == pytest.approx(0, abs=1e-9)
    second = [found.criterion(found.informative(only(0, s))) for s in range(1, 7)]
    assert reached[1] == pytest.approx(max(second), abs=1e-7)


def test_shaping_by_the_best_values_is_as_informative_and_may_be_too_large():
    mdp = task(10)
    values = iterated(mdp, mdp.reward)
    shaped = mdp.reward + GAMMA * mdp.chance @ values.max(axis=1) - values.max(axis=1, keepdims=True)
    assert design(mdp).criterion(shaped) == pytest.approx(0, abs=1e-6)
    bound = float(mdp.reward.max())  # the task's own reward is allowed, shaping would pay more
    assert np.abs(shaped).max() > 1.1 * bound
    found = design(mdp, bound).informative(np.ones(7, dtype=bool))
    assert np.abs(found).max() <= bound + 1e-9


def test_one_number_for_a_state_and_few_of_them():
    mdp = Mdp(walk().chance[:6, :, :6], walk().reward[:6], walk().start[:6])
    with pytest.raises(ValueError, match="no such reward"):  # staying at the end is then paid as leaving it is
        design(mdp, state_only=True).informative(np.isin(np.arange(6), [5]))
    free = np.ones(6, dtype=bool)
    alike = design(task(7), state_only=True, r_max=50.0)
    reward = alike.informative(np.ones(7, dtype=bool))
    assert (reward == reward[:, :1]).all() and reward.any()
    dense, sparse = (design(mdp, sparsity=weight).informative(free) for weight in (0.0, 1.0))
    assert np.abs(sparse).sum() < np.abs(dense).sum() and (sparse != 0).sum() < (dense != 0).sum()


def test_the_adaptive_objective_is_what_one_step_on_the_logits_gains():
    """By finite differences: sum of mu*(s) pi'(a|s) A*(s, a), pi' after a small step of policy gradient on R."""
    mdp = task(8)
    found, rng = design(mdp, r_max=2.0), np.random.default_rng(9)
    logits = rng.normal(size=(7, 3))

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    policy = softmax(logits)
    here, best_here = occupancy(mdp, policy, GAMMA), occupancy(mdp, np.eye(3)[found.best], GAMMA)
    advantage = found.values - found.values.max(axis=1, keepdims=True)

    def gain(reward):
        step = here[:, None] * policy * (reward - (policy * reward).sum(axis=1, keepdims=True))
        after, before = softmax(logits + 1e-6 * step), softmax(logits - 1e-6 * step)
        return (best_here[:, None] * (after - before) * advantage).sum() / 2e-6

    chosen = found.adapted(np.ones(7, dtype=bool), policy, here, best_here)
    others = [found.informative(np.ones(7, dtype=bool)), found.informative(only(0)), mdp.reward]
    assert all(gain(chosen) > gain(other) for other in others)
    # A linear program's best is a corner: no allowed mixture with others is better.
    assert gain(0.9 * chosen + 0.1 * others[0]) < gain(chosen)


def test_the_scheme_pays_its_table_instead_of_the_task_and_learns_the_policy():
    a_case = case("exprd", world="table", adaptive=True, states=None, every=2)
    scheme, _ = a_case.build()
    assert scheme.streams[0].coef == 0.0 and scheme.assumes == {"privileged"} and scheme.reads_policy
    before = scheme.table.reward.copy()
    assert before[5].any() and not before[6:].any()
    (rollout,) = rollouts(a_case, 30)
    cells = rollout.obs["cell"]
    cells[:] = cells % 6
    rollout = type(rollout)(**{k: v for k, v in vars(rollout).items() if k not in ("distinct", "end_states", "judged")})
    rollout.dist["logits"][:] = torch.tensor([4.0, 0.0, 0.0])  # it goes back: to stay is better than what it does
    paid = scheme.compute(rollout).streams["intrinsic"]
    for t in range(30):
        for env in range(4):
            expected = before[int(cells[t, env, 0]), int(rollout.action[t, env])]
            assert float(paid[t, env]) == pytest.approx(expected, abs=1e-5)
    told = scheme.update(rollout)
    assert np.abs(scheme.table.reward - before).max() > 1e-6 and told["reward/exprd_largest"] <= 10.0
    np.testing.assert_allclose(
        scheme.table.policy[int(cells[-1, 0, 0])], torch.softmax(rollout.dist["logits"][-1, 0].double(), 0)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 5}, "pays in 10 states, which are among them; set reward.states=10 or more"),
        ({"states": None, "r_max": 0.5}, "itself pays up to 0.9975; raise it"),
    ],
)
def test_what_the_task_itself_pays_must_be_allowed(options, message):
    spec = deepsea.make(deepsea.Config(n=4), Levels(1)).spec
    with pytest.raises(UserError, match=message):
        exprd.Scheme(exprd.Config(plugin="exprd", **options), new_context(spec))


def test_a_task_that_is_not_told_or_too_large_is_refused():
    with pytest.raises(UserError, match="reads the whole task as tables, which made-up grid does not give"):
        exprd.Scheme(exprd.Config(plugin="exprd"), new_context(worlds()["grid"]))
    spec = deepsea.make(deepsea.Config(n=30), Levels(1)).spec
    with pytest.raises(UserError, match="465 states that can be reached; at most 200"):
        exprd.Scheme(exprd.Config(plugin="exprd", states=None), new_context(spec))


def test_unreachable_states_are_left_out():
    whole = walk()
    kept = np.arange(100) < 6
    small = restricted(whole, kept)
    assert small.chance.shape == (6, 3, 6) and small.reward[5, 2] == 1.0
