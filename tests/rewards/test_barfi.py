"""BARFI: its gradient against finite differences at the inner optimum, and what it makes of a misleading reward."""

import pytest
import torch
from made_up import case, rollouts

from rewardlab.errors import UserError
from rewardlab.maths.bilevel import implicit_gradient
from rewardlab.rewards.learned import barfi
from rewardlab.schemas import check

TASK, AUX = torch.tensor([1.0, 0.2, -0.3]).double(), torch.tensor([-0.5, 0.4, 1.5]).double()


def inner_of(theta, phi):
    """A bandit of three arms, paid phi_1(a) + phi_2 r_task(a) + phi_3 r_aux(a), with a penalty on theta."""
    paid = phi[:3] + phi[3] * TASK + phi[4] * AUX
    return theta.softmax(0) @ paid - 0.25 * theta.square().sum()


def best_inside(phi):
    """theta by Newton's method."""
    theta = torch.zeros(3, dtype=torch.float64)
    for _ in range(60):
        theta.requires_grad_()
        slope = torch.autograd.grad(inner_of(theta, phi), theta)[0]
        curvature = torch.autograd.functional.hessian(lambda at: inner_of(at, phi), theta.detach())
        theta = (theta - torch.linalg.solve(curvature, slope)).detach()
    return theta


def outer_of(theta):
    return theta.softmax(0) @ TASK - 0.1 * theta[1]


def test_the_implicit_gradient_is_that_of_finite_differences_on_a_bandit():
    phi = torch.tensor([0.3, -0.2, 0.1, 1.0, 0.7], dtype=torch.float64)
    theta, given = best_inside(phi).requires_grad_(), phi.clone().requires_grad_()
    found = implicit_gradient(inner_of(theta, given), outer_of(theta), [theta], [given], rate=0.5, terms=200)
    for i in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[i] = 1e-4
        change = outer_of(best_inside(phi + step)) - outer_of(best_inside(phi - step))
        assert float(found[i]) == pytest.approx(float(change) / 2e-4, abs=1e-6)
    assert found.abs().min() > 1e-4
    short = implicit_gradient(inner_of(theta, given), outer_of(theta), [theta], [given], rate=0.5, terms=0)
    assert (short - found).abs().max() > 1e-3  # the series matters


def test_at_first_the_two_rewards_are_added():
    a_case = case("barfi", world="vector", aux="2 * vector[1]", coef=0.5)
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, 12)
    assert [stream.coef for stream in scheme.streams] == [0.0, 0.5]
    paid = scheme.compute(rollout).streams["intrinsic"]
    torch.testing.assert_close(paid, rollout.task_reward + 2 * rollout.next_obs["vector"][..., 1])


def single_steps(a_case):
    """A rollout of a uniform policy in which each episode is one step, and the task pays action 0."""
    (rollout,) = rollouts(a_case, 32)
    rollout.dist["logits"][:] = 0.0
    rollout.log_prob[:] = -torch.log(torch.tensor(3.0))
    rollout.first[:], rollout.terminated[:] = True, True
    rollout.task_reward[:] = (rollout.action == 0).float()
    return rollout


def test_a_misleading_reward_comes_to_count_less():
    """The task pays action 0, the auxiliary reward action 1 and more: phi learns to pay action 0 best."""
    a_case = case("barfi", world="vector", aux="vector[0]", learning_rate=0.05, every=1)
    scheme, _ = a_case.build()
    rollout = single_steps(a_case)
    rollout.next_obs["vector"][..., 0] = 2.0 * (rollout.action == 1)

    def means():
        paid = scheme.compute(rollout).streams["intrinsic"]
        return [float(paid[rollout.action == action].mean()) for action in range(3)]

    before = means()
    for _ in range(60):
        scheme.compute(rollout)
        told = scheme.update(rollout)
    after = means()
    assert before == pytest.approx([1, 2, 0])
    assert after[0] > after[1] and after[0] > after[2]
    assert told["reward/barfi_aux_share"] < 0.5


@pytest.mark.parametrize("other", [0, 1])
def test_more_of_the_same_is_neither_better_nor_worse(other, monkeypatch):
    """An auxiliary reward that is the task's once more changes how large rewards are, and not how they weigh."""
    found = []

    def noted(*given, **options):
        found.append(implicit_gradient(*given, **options))
        return found[-1]

    monkeypatch.setattr(barfi, "implicit_gradient", noted)
    a_case = case("barfi", world="vector", aux="vector[0]", every=1)
    scheme, _ = a_case.build()
    rollout = single_steps(a_case)
    rollout.next_obs["vector"][..., 0] = (rollout.action == other).float()
    scheme.compute(rollout)
    scheme.update(rollout)
    of_phi_3 = float(found[0][-1].abs() / found[0].norm())
    assert of_phi_3 < 1e-5 if other == 0 else of_phi_3 > 0.01


def test_without_a_word_for_it_the_auxiliary_reward_fades():
    a_case = case("barfi", world="vector", aux="vector[0]", decay=0.1, every=1)
    scheme, _ = a_case.build()
    rollout = single_steps(a_case)
    rollout.task_reward[:] = 1.0  # whatever is done
    told = []
    for _ in range(21):
        scheme.compute(rollout)
        told.append(scheme.update(rollout)["reward/barfi_aux_share"])
    assert told == pytest.approx([0.9**k for k in range(21)], rel=1e-4)


def test_what_all_actions_share_is_not_paid():
    a_case = case("barfi", world="vector")
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, 12)
    last = list(scheme.shares.modules())[-1]
    with torch.no_grad():
        last.bias[:] = torch.tensor([5.0, 5.0, 6.0, 1.0])
    paid = scheme.compute(rollout).streams["intrinsic"] - rollout.task_reward
    chance = rollout.dist["logits"].softmax(dim=-1)[..., 2]
    torch.testing.assert_close(paid, (rollout.action == 2).float() - chance, atol=1e-5, rtol=0)


def test_phi_waits_for_its_turn():
    a_case = case("barfi", every=3)
    scheme, _ = a_case.build()
    moved = []
    for rollout in rollouts(a_case, *[16] * 6):
        before = [weight.clone() for weight in scheme.shares.parameters()]
        scheme.compute(rollout)
        scheme.update(rollout)
        moved.append(any(bool((a != b).any()) for a, b in zip(before, scheme.shares.parameters(), strict=True)))
    assert moved == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("aux", "message"),
    [("3", "the same in every state"), ("-distance +", "is no expression"), ("sin(x)", "no function")],
)
def test_what_is_no_auxiliary_reward_is_refused_in_one_line(aux, message):
    with pytest.raises(UserError, match=message):
        check(barfi.Config(plugin="barfi", aux=aux), "reward.")


def test_boxes_are_refused():
    with pytest.raises(UserError, match="needs discrete actions"):
        case("barfi", world="continuous").build()


def test_without_phi_1_the_blend_alone_is_learned():
    a_case = case("barfi", world="vector", aux="vector[0]", phi_1=False, learning_rate=0.05, every=1)
    scheme, _ = a_case.build()
    rollout = single_steps(a_case)
    rollout.next_obs["vector"][..., 0] = 2.0 * (rollout.action == 1)
    for _ in range(5):
        scheme.compute(rollout)
        told = scheme.update(rollout)
    paid = scheme.compute(rollout).streams["intrinsic"]
    assert (paid[rollout.action == 2] == 0).all() and (paid[rollout.action == 0] == 1).all()
    assert told["reward/barfi_aux_share"] < 1.0
