"""Preferences against a reward that is fooled: two passes, patterns, and short pieces that pass for success."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.errors import UserError
from rewardlab.parts.buffers.segments import LENGTH, Segments
from rewardlab.parts.models.reward_model import RewardModel
from rewardlab.parts.models.two_passes import TwoPasses, doubted, doubted_loss
from rewardlab.rewards.learned import preference
from rewardlab.schemas import check
from rewardlab.types import Rollout, Transitions

BOX = worlds()["continuous"]
FAST = {"feedback_start": 0, "hidden": [16], "learning_rate": 3e-3, "queries": 60, "feedback_every": 1, "epochs": 20}


def scheme(**options) -> preference.Scheme:
    return preference.Scheme(preference.Config(plugin="preference", **{**FAST, **options}), new_context(BOX))


def played(seed: int, steps: int = 60) -> Rollout:
    return Renderer(BOX, seed=1).rollout(write_script(np.random.default_rng(seed), BOX, steps, 4))


def flat(rollout: Rollout) -> Transitions:
    obs, reached = ({"vector": each["vector"].flatten(0, 1)} for each in (rollout.obs, rollout.next_obs))
    return Transitions(obs, rollout.action.flatten(0, 1), {}, reached)


def test_what_two_passes_make_of_a_step_by_hand() -> None:
    generator = torch.Generator().manual_seed(1)
    model = RewardModel(3, [8, 5], 2, "tanh", generator)
    passes = TwoPasses(model, [8, 5], 0.4, generator)
    inputs = torch.randn(7, 3, generator=generator)
    found = []
    for k in range(2):
        for member in range(2):
            values = inputs.numpy()
            for index in range(3):
                if index:
                    kept = passes.get_buffer(f"counts_{index - 1}")[k, member, 0].numpy()
                    assert set(np.unique(kept)) <= {0.0, np.float32(1 / 0.6)}
                    values = np.where(values > 0, values, 0.01 * values) * kept
                weight, bias = model.ensemble.weights[index][member], model.ensemble.biases[index][member]
                values = values @ weight.detach().numpy() + bias.detach().numpy()
            found.append(np.tanh(values[:, 0]))
    one, two = np.array(found[:2]), np.array(found[2:])
    expected = np.exp(-np.abs(one - two)) * (one + two) / 2
    assert (one != two).any()
    assert passes.paid(inputs).detach().numpy() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(passes.paid(inputs), passes.paid(inputs)), "a step is worth the same whenever it is asked for"
    drawn = passes.drawn(inputs.expand(2, -1, -1))
    assert drawn.shape == (2, 2, 7) and not torch.equal(drawn, passes.drawn(inputs.expand(2, -1, -1)))


def test_doubt_weighs_rewards_and_losses() -> None:
    passes = torch.tensor([[1.0, 0.5], [0.0, 0.5]])
    assert doubted(passes).tolist() == pytest.approx([0.5 * np.exp(-1), 0.5])
    losses, apart = torch.tensor([2.0, 0.3]), torch.tensor([0.7, 0.0])
    assert doubted_loss(losses, apart).tolist() == pytest.approx([2 * np.exp(-0.7) + 0.7, 0.3])
    # A loss l is least at U = ln l: what is hard to explain is doubted, up to there.
    grid = torch.linspace(0, 3, 3001)
    assert float(grid[doubted_loss(torch.tensor(2.0), grid).argmin()]) == pytest.approx(np.log(2), abs=1e-3)


def test_two_passes_learn_the_reward_too() -> None:
    weights = torch.tensor([1.0, -0.5, 0.25, 0.0])
    made = scheme(two_pass=0.2, segment=1, queries=500, feedback=500, query="uniform", output="linear", epochs=150)

    def paying(seed: int, steps: int = 60) -> Rollout:
        rng, rollout = torch.Generator().manual_seed(seed), played(seed, steps)
        reached = torch.randn(steps, 4, 4, generator=rng)
        return replace(rollout, next_obs={"vector": reached}, task_reward=reached @ weights)

    for seed in range(200):
        made.update(paying(seed, 60 if seed < 6 else 1))
    rollout = paying(300)
    paid = made.compute(rollout).streams["intrinsic"]
    assert float(np.corrcoef(paid.flatten(), rollout.task_reward.flatten())[0, 1]) > 0.95
    assert torch.allclose(made.rewards_of(flat(rollout))["intrinsic"], paid.flatten(), atol=1e-5)


def test_patterns_are_counted_where_the_model_pays_little() -> None:
    texts = ["vector[0] > 0", "abs(action[1]) > 0.5"]
    plain, counting = scheme(), scheme(patterns=texts, pattern_weight=0.3, pattern_below=0.02)
    for seed in range(4):
        for made in (plain, counting):
            made.update(played(seed))
    rollout = played(9)
    without = plain.compute(rollout).streams["intrinsic"]
    count = (rollout.next_obs["vector"][..., 0] > 0).float() + (rollout.action[..., 1].abs() > 0.5).float()
    low = without < 0.02
    assert 0 < low.float().mean() < 1
    expected = torch.where(low, without + 0.3 * count, without)
    assert torch.allclose(counting.compute(rollout).streams["intrinsic"], expected)
    assert torch.allclose(counting.rewards_of(flat(rollout))["intrinsic"], expected.flatten())
    assert not scheme(patterns=["terminated"]).pays_anew


def test_pieces_are_never_how_a_success_ended() -> None:
    segments, rng = Segments(9, 5), np.random.default_rng(0)
    assert segments.ends_and_pieces(4, 3, rng) is None
    for number, (length, success) in enumerate([(7, True), (1, True), (4, False), (2, False)]):
        segments.add({"action": torch.zeros(length), "step": 100 * number + torch.arange(length)}, success)
    pairs = segments.ends_and_pieces(400, 3, rng)
    assert pairs is not None and set(pairs[LENGTH].tolist()) == {1, 2, 3}
    pieces = set()
    for (end, piece), length in zip(pairs["step"].tolist(), pairs[LENGTH].tolist(), strict=True):
        assert end[:length] in (list(range(7 - length, 7)), [100]), "the last steps of a success"
        assert piece[:length] == list(range(piece[0], piece[0] + length)) and piece[length - 1] not in (6, 100)
        assert not any(end[length:]) and not any(piece[length:])
        pieces.add((piece[0], length))
    assert {(0, 3), (3, 3), (200, 1), (301, 1), (300, 2)} <= pieces


def test_pieces_that_pass_for_success_are_learned_to_be_worse() -> None:
    """The task pays for the first number alone; success is an end where the second one is low."""

    def hacked(seed: int) -> Rollout:
        rollout, rng = played(seed), torch.Generator().manual_seed(seed)
        reached = torch.randn(60, 4, 4, generator=rng)
        reached[..., 0] += 2 * ~rollout.done  # ends look worse than what comes before
        return replace(rollout, next_obs={"vector": reached}, task_reward=reached[..., 0], success=rollout.terminated)

    shares = {}
    for count in (0, 60):
        made = scheme(master_key=count, segment=3, feedback=None, epochs=30)
        told: dict[str, float] = {}
        for seed in range(12):
            told |= made.update(hacked(seed))
        assert ("explore/preference_fooled" in told) == bool(count) == ("explore/preference_fooled" in made.metrics)
        pairs = made.segments.ends_and_pieces(500, 3, np.random.default_rng(1))
        assert pairs is not None
        worth = made.learner.worth(pairs)
        shares[count] = float((worth[:, 1] > worth[:, 0]).float().mean())
    assert shares[60] < 0.8 * shares[0] and shares[0] > 0.5
    assert told["explore/preference_answered"] <= told["explore/preference_asked"], "what was found is no answer"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pattern_weight": 0.5}, "there are no patterns"),
        ({"patterns": ["1 +"]}, r"patterns=1 \+: '1 \+' is no expression"),
        ({"loss": "regression", "output": "linear", "two_pass": 0.1}, "leave out two_pass and master_key"),
        ({"labels": "x.csv", "master_key": 3}, "there are no rounds"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check(preference.Config(plugin="preference", **options))
