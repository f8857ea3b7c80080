"""Segments, the scale of factors, terms of steps, and a model's members as one."""

import numpy as np
import pytest
import torch

from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.parts.buffers.segments import Segments
from rewardlab.parts.models.reward_model import Fitting, RewardModel, aggregated
from rewardlab.parts.moments.factor_scale import FactorScale
from rewardlab.parts.step_terms import StepTerms


def filled(lengths: list[int], size: int = 10, segment: int = 4) -> Segments:
    """Episode k holds 100 k + 1, 100 k + 2, ...; every other one succeeded."""
    made = Segments(size, segment)
    for k, length in enumerate(lengths):
        made.add({"action": 100 * k + 1 + torch.arange(length)}, success=k % 2 == 1)
    return made


def test_segments_lie_within_episodes_and_both_have_as_many_steps() -> None:
    lengths = [9, 4, 2, 12]
    pairs = filled(lengths).pairs(2000, np.random.default_rng(0))
    seen: dict[int, set[int]] = {}
    for both, length, success in zip(
        pairs["action"].tolist(), pairs["length"].tolist(), pairs["success"].tolist(), strict=True
    ):
        episodes = [row[0] // 100 for row in both]
        assert episodes[0] != episodes[1]
        assert length == min(4, *(lengths[k] for k in episodes))
        assert success == [k % 2 == 1 for k in episodes]
        for row, k in zip(both, episodes, strict=True):
            assert row == [row[0] + t if t < length else 0 for t in range(4)]
            assert row[0] - 100 * k + length - 1 <= lengths[k]
            if length == 4:
                seen.setdefault(k, set()).add(row[0] - 100 * k)
    assert seen[0] == set(range(1, 7)) and seen[3] == set(range(1, 10)), "any place, the last one too"


def test_segments_may_last_beyond_a_termination_and_nothing_else() -> None:
    lengths, made = [9, 4, 2, 12], Segments(10, 4, absorbing=True)
    for k, length in enumerate(lengths):
        made.add({"action": 100 * k + 1 + torch.arange(length)}, success=k == 1, terminated=k < 2)
    pairs = made.pairs(3000, np.random.default_rng(0))
    seen: dict[int, set[int]] = {}
    for both, length, played in zip(*(pairs[name].tolist() for name in ("action", "length", "played")), strict=True):
        episodes = [row[0] // 100 for row in both]
        assert length == (2 if 2 in episodes else 4), "a time limit is no termination"
        for row, k, steps in zip(both, episodes, played, strict=True):
            start = row[0] - 100 * k
            assert steps == min(length, lengths[k] - start + 1) and (k < 2 or steps == length)
            assert row == [row[0] + t if t < steps else 0 for t in range(4)]
            seen.setdefault(k, set()).add(start)
    assert [seen[k] for k in range(4)] == [set(range(1, 10)), set(range(1, 5)), {1}, set(range(1, 12))]


def test_the_oldest_episodes_go_and_state_comes_back() -> None:
    made = filled([3, 3, 3, 3], size=2)
    assert len(made) == 2 and made.outcomes == ([1], [0])
    other = Segments(2, 4)
    other.load_state_dict(made.state_dict())
    one, again = (kept.pairs(50, np.random.default_rng(1)) for kept in (made, other))
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_unlike_pairs_have_one_success_in_either_place() -> None:
    pairs = filled([5, 5, 5, 5]).unlike_pairs(200, np.random.default_rng(0))
    assert pairs["success"].sum(dim=1).eq(1).all() and 50 < int(pairs["success"][:, 0].sum()) < 150


def test_a_factor_varies_by_its_deviation_and_two_values_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    steps = torch.from_numpy(rng.normal(size=(60, 4)).astype(np.float32))
    steps[:, 1] = (steps[:, 1] > 0).float()
    steps[:, 2] = 7.0 * (steps[:, 2] > 0).float() - 3.0
    steps[:, 3] = torch.arange(60) % 3  # its third value comes late
    steps[:40, 3] = steps[:40, 3].clamp(max=1)
    scales = []
    for rate in (1.0, 100.0):
        made = FactorScale(4)
        for part in (rate * steps).split(7):
            made.add(part)
        scales.append(made.scale)
    assert scales[0][[1, 2]].tolist() == [0.0, 0.0]
    assert scales[0][[0, 3]].numpy() == pytest.approx(steps[:, [0, 3]].numpy().std(axis=0), rel=1e-4)
    assert scales[1].numpy() == pytest.approx(100 * scales[0].numpy(), rel=1e-4)


def test_members_become_one() -> None:
    rewards = torch.tensor([[1.0, -2.0], [2.0, 0.0], [6.0, 5.0], [4.0, 1.0]])
    plain = rewards.numpy()
    assert aggregated(rewards, "median").numpy() == pytest.approx(np.median(plain, axis=0))
    assert torch.equal(aggregated(rewards[:3], "median"), torch.tensor([2.0, 0.0]))
    assert aggregated(rewards, "min").tolist() == [1.0, -2.0]
    expected = plain.mean(axis=0) - plain.std(axis=0)
    assert aggregated(rewards, "mean_minus_std").numpy() == pytest.approx(expected, rel=1e-6)
    assert aggregated(rewards, "mean").numpy() == pytest.approx(plain.mean(axis=0))


def test_a_fit_in_pieces_is_the_fit_in_one() -> None:
    """However small the pieces, the same steps are taken; it ends once a pass was right often enough."""
    ends = []
    for piece in (0.0, 1e9):
        model = RewardModel(3, (4,), 2, "tanh", torch.Generator().manual_seed(0))
        fitting = Fitting(model, 0.01, 0.9, piece)
        taken = []

        def step(model=model, taken=taken):
            taken.append(len(taken))
            inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(len(taken)))
            return model(inputs).square().mean(dim=-1).sum(), 5.0 if len(taken) > 6 else 4.0, 5.0, 5

        fitting.begin(20)
        calls = 0
        while fitting.going:
            fitting.go_on(3, step)
            calls += 1
        ends.append([parameter.detach().clone() for parameter in model.parameters()])
        assert len(taken) == 9, "the third pass of three steps is the first that is right"
        assert calls == (9 if piece == 0 else 1)
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_a_fit_goes_on_where_it_was_saved() -> None:
    def made() -> Fitting:
        return Fitting(RewardModel(3, (4,), 2, "tanh", torch.Generator().manual_seed(0)), 0.01, 0.9, 0.0)

    def go_on(fitting: Fitting, pieces: int) -> None:
        for _ in range(pieces):
            fitting.go_on(3, lambda: (fitting.model(torch.ones(5, 3)).square().mean(dim=-1).sum(), 4.0, 5.0, 5))

    whole, broken, other = made(), made(), made()
    for fitting in (whole, broken):
        fitting.begin(7)
    go_on(whole, 7)
    go_on(broken, 4)
    other.model.load_state_dict(broken.model.state_dict())
    other.load_state_dict(broken.state_dict())
    go_on(other, 2)
    assert other.going and not whole.going
    go_on(other, 1)
    assert not other.going
    ends = zip(whole.model.parameters(), other.model.parameters(), strict=True)
    assert all(torch.equal(one, again) for one, again in ends)


def test_terms_read_what_a_step_led_to() -> None:
    spec = worlds(("state_hash",))["continuous"]
    terms = StepTerms("reward.terms", ["vector[1] - 1", "-abs(action[0])", "terminated", "state_hash"], spec)
    reached = torch.arange(24.0).view(2, 3, 4)
    action = torch.full((2, 3, 2), -5.0)
    ended = torch.tensor([[True, False, False], [False, False, True]])
    found = terms({"vector": reached}, {"state_hash": 2 * torch.ones(2, 3)}, action, ended)
    assert torch.equal(found[..., 0], reached[..., 1] - 1)
    assert (found[..., 1] == -1).all(), "the action that is executed"
    assert torch.equal(found[..., 2], ended.float()) and (found[..., 3] == 2).all() and terms.reads_ends


@pytest.mark.parametrize(
    ("world", "text", "said"),
    [
        ("vector", "action[0]", "reward.terms=action[0]"),
        ("vector", "vector", "one of them, as in vector[0]"),
        ("vector", "vector[9]", "reward.terms=vector[9]: can't be computed"),
        ("grid", "vector[0]", "reads vector"),
    ],
)
def test_terms_that_do_not_fit_are_refused(world: str, text: str, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        StepTerms("reward.terms", [text], worlds()[world])
    assert said in str(refusal.value)
