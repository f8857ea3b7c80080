"""One of several criteria decides, by the situation: what reward=preference makes of it with and without contexts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.maths.preference_losses import context_errors, context_loss
from rewardlab.rewards.learned import preference
from rewardlab.types import Rollout

BOX = worlds()["continuous"]
SIDES = {"contexts": ["vector[0]", "-vector[0]"], "terms": ["vector[1]", "-vector[1]"]}
FAST = {"feedback_start": 0, "hidden": [32], "learning_rate": 1e-2, "segment": 1, "output": "linear", "members": 1}


def scheme(**options) -> preference.Scheme:
    chosen = {"comparator": "context", **SIDES, **FAST, "query": "uniform", **options}
    return preference.Scheme(preference.Config(plugin="preference", **chosen), new_context(BOX))


def played(seed: int, steps: int = 60) -> Rollout:
    rollout = Renderer(BOX, seed=1).rollout(write_script(np.random.default_rng(seed), BOX, steps, 4))
    reached = torch.randn(steps, 4, 4, generator=torch.Generator().manual_seed(seed))
    return replace(rollout, obs={"vector": reached.roll(1, 0)}, next_obs={"vector": reached})


def fitted(made: preference.Scheme) -> dict[str, float]:
    told: dict[str, float] = {}
    for seed in range(4):
        told |= made.update(played(seed))
    while made.learner.fitting.going:
        told |= made.update(played(99, steps=1))
    return told


def test_the_loss_is_that_of_the_sum_over_criteria_or_of_the_one_that_is_told() -> None:
    rng = np.random.default_rng(0)
    difference, logits = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 3))
    preferred, context = rng.integers(3, size=(2, 5)) / 2, rng.integers(-1, 3, size=(2, 5))
    expected = np.zeros(2)
    for e in range(2):
        for b in range(5):
            chance = np.exp(logits[e, b]) / np.exp(logits[e, b]).sum()
            first = 1 / (1 + np.exp(-difference[e, b]))
            right = first ** preferred[e, b] * (1 - first) ** (1 - preferred[e, b])
            z = context[e, b]
            expected[e] -= np.log((chance * right).sum() if z < 0 else chance[z] * right[z]) / 5
    given = (torch.from_numpy(each) for each in (difference, logits, preferred, context))
    assert context_loss(*given).numpy() == pytest.approx(expected)


def test_both_errors_bound_that_of_the_answer() -> None:
    rng = torch.Generator().manual_seed(0)
    for _ in range(50):
        difference, logits = (3 * torch.randn(2, 1, 4, generator=rng) for _ in range(2))
        answer, context = torch.randint(2, (1,), generator=rng).float(), torch.randint(4, (1,), generator=rng)
        found = context_errors(difference, logits, answer, context)
        assert float(found[2]) <= float(found[0] + found[1]) + 1e-6
    certain = torch.tensor([[[0.0, 9e9]]]), torch.tensor([[[-9e9, 9e9]]])
    assert context_errors(*certain, torch.ones(1), torch.ones(1, dtype=torch.long)).tolist() == [0, 0, 0]


def test_what_counts_is_learned_by_context_and_the_errors_say_how_well() -> None:
    """Right of the middle up is better, left of it down: who is told so for half of the answers knows it."""
    made = scheme(model="context", queries=400, feedback=400, epochs=60, accuracy=1.0)
    told = fitted(made)
    errors = [told[f"explore/preference_{name}_error"] for name in ("context", "criterion", "answer")]
    assert errors[0] < 0.15 and errors[1] < 0.15 and errors[2] <= errors[0] + errors[1]
    assert set(errors) <= set(told.values()) and set(told) <= set(made.metrics)
    rollout = played(77)
    paid, at = made.compute(rollout).streams["intrinsic"], rollout.next_obs["vector"]
    for side in (1, -1):
        here = side * at[..., 0] > 0.5
        assert float(np.corrcoef(paid[here], side * at[here][:, 1])[0, 1]) > 0.9
    again = scheme(model="context", queries=400, feedback=400)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.compute(rollout).streams["intrinsic"], paid)


def test_what_is_told_of_contexts_is_what_was_asked_for() -> None:
    shares = []
    for share in (0.0, 0.3, 1.0):
        made = scheme(model="context", queries=300, context_told=share, epochs=1)
        made.update(played(0))
        kept = made.learner.known()
        told = kept["context"] >= 0
        shares.append(float(told.float().mean()))
        reached = kept["next_obs.vector"][:, :, 0]
        assert torch.equal(kept["context"][told], (reached[..., 0].sum(dim=1) < 0).long()[told])
        up = (reached[:, 0, 1] > reached[:, 1, 1]).float()
        right = reached[..., 0].sum(dim=1) >= 0
        assert torch.equal(kept["preferred"], torch.where(right, up, 1 - up))
    assert shares[0] == 0 and 0.2 < shares[1] < 0.4 and shares[2] == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward.comparator=context", ["as many contexts as terms"]),
        ("reward.comparator=context reward.contexts=['vector[0]'] reward.terms=['vector[1]']", ["two at least"]),
        ("reward.contexts=['vector[0]']", ["comparator=return", "comparator=context"]),
        ("reward.model=context", ["comparator=return", "comparator=context"]),
        ("reward.context_told=1", ["model=context"]),
        ("COMPARED reward.beta=2", ["beta=2", "mistake"]),
        ("COMPARED reward.model=context reward.loss=margin", ["loss of its own"]),
        ("COMPARED reward.master_key=3", ["master_key"]),
    ],
)
def test_what_does_not_fit_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = (
        "reward.comparator=context reward.contexts=['vector[0]','-vector[0]'] reward.terms=['vector[1]','-vector[1]']"
    )
    given = line.replace("COMPARED", compared).split()
    assert main(["run", "env=pointplane", "reward=preference", *given, f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
