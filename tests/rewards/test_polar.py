"""POLAR: what is drawn of policies, that who is like the reference is paid most, and refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.parts.buffers.policy_pool import PolicyPool
from rewardlab.rewards.imitation import polar
from rewardlab.types import Episode, Rollout, Transitions

SPEC = worlds()["vector"]
ACTIONS = 3


def demonstrations(folder: Path, count: int, action: int = 2) -> str:
    """Demonstrations that always do the same."""
    rng = np.random.default_rng(0)

    def episodes():
        for number in range(count):
            shown = rng.normal(size=(13, 4)).astype(np.float32)
            yield Recorded(number, {"vector": shown}, np.full(12, action), np.zeros(12, np.float32), True, False, True)

    write_dataset(folder / "demos", episodes(), SPEC, About("", "nobody", {}))
    return str(folder / "demos")


def scheme(demos: str | None, **options: object) -> polar.Scheme:
    options = {
        "hidden": 16,
        "learning_rate": 1e-2,
        "samples_per_step": 32.0,
        "segment": 4,
        "policies": ACTIONS,
    } | options
    return polar.Scheme(polar.Config(demos=demos, plugin="polar", **options), new_context(SPEC))


def played(seed: int, action: int | None = None, progress: float = 0.0, steps: int = 60) -> Rollout:
    rollout = Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(seed), SPEC, steps, 4))
    shown = torch.randn(steps, 4, 4, generator=torch.Generator().manual_seed(seed))
    rollout = replace(rollout, obs={"vector": shown}, progress=progress)
    return rollout if action is None else replace(rollout, action=torch.full_like(rollout.action, action))


def by_action(made: polar.Scheme) -> list[float]:
    rollout = played(77)
    paid = made.compute(rollout).streams["intrinsic"]
    return [float(paid[rollout.action == action].mean()) for action in range(ACTIONS)]


def test_triples_are_a_policy_s_own_and_of_equal_length() -> None:
    def episode(policy: int, number: int, length: int) -> Episode:
        steps = torch.arange(length)
        shown = torch.stack([torch.full((length,), policy), torch.full((length,), number), steps], dim=1)
        return Episode({"vector": shown}, steps, torch.zeros(length), True, False, True)

    pool, rng = PolicyPool(3), np.random.default_rng(0)
    pool.add(4, [episode(4, number, 3 + number) for number in range(5)])
    pool.add(-1, [episode(-1, 0, 9)])
    assert len(pool) == 1, "of the other there is nothing to compare its one episode with"
    pool.add(-1, [episode(-1, 1, 9)])
    assert len(pool) == 2
    drawn = pool.draw(50, 6, 7, rng)
    reference, steps = drawn.reference.obs["vector"].view(50, 7, 3), drawn.steps.obs["vector"]
    lengths, numbers = set(), set()
    for b in range(50):
        own, other = steps[drawn.of == 2 * b], steps[drawn.of == 2 * b + 1]
        policy = int(own[0, 0])
        assert len(own) == len(other) <= 6 and set(own[:, 0].tolist()) == {policy}
        assert set(other[:, 0].tolist()) == {4, -1} - {policy}
        for segment in (own, other):
            assert segment[:, 1].unique().numel() == 1 and torch.equal(segment[:, 2].diff(), torch.ones(len(own) - 1))
        assert set(reference[b, :, 0].tolist()) == {policy} and int(own[0, 1]) not in reference[b, :, 1].tolist()
        lengths.add(len(own))
        numbers |= set(own[:, 1].tolist()) if policy == 4 else set()
    assert lengths == {5, 6} and numbers == {2, 3, 4}, "the latest three, of 5, 6 and 7 steps"
    again = PolicyPool(3)
    again.add(-1, [episode(-1, number, 9) for number in range(2)])
    again.load_state_dict(pool.state_dict())
    one, two = (each.draw(5, 6, 7, np.random.default_rng(1)) for each in (pool, again))
    assert torch.equal(one.steps.obs["vector"], two.steps.obs["vector"]), "whichever policy came first"


@pytest.mark.parametrize("shown", [1, 5])
def test_who_does_as_the_demonstrator_is_paid_most(shown: int, tmp_path: Path) -> None:
    """Also where no reference was the demonstrator's: of a single demonstration there is no other to compare."""
    made = scheme(demonstrations(tmp_path, shown))
    told: dict[str, float] = {}
    for seed in range(6):
        told |= made.update(played(seed, action=seed // 2, progress=seed / 6))
    assert told["explore/polar_policies"] == ACTIONS + (shown > 1) and told["explore/polar_accuracy"] > 0.75
    paid = by_action(made)
    assert paid[2] > -0.8 and max(paid[:2]) < paid[2] - 0.3 and max(paid) <= 0
    other = scheme(demonstrations(tmp_path / "other", shown, action=0))
    other.scorer.load_state_dict(made.scorer.state_dict())
    paid = by_action(other)
    assert paid[0] > max(paid[1:]) + 0.3, "the same scorer, another reference"


def test_replayed_steps_are_paid_the_same_and_training_goes_on_exactly(tmp_path: Path) -> None:
    demos = demonstrations(tmp_path, 3)
    made, again = scheme(demos, policies=2), scheme(demos, policies=2)
    for seed in range(2):
        made.update(played(seed, progress=seed / 2))
    again.load_state_dict(made.state_dict())
    rollout = played(5, progress=0.9)
    paid = made.compute(rollout).streams["intrinsic"]
    flat = Transitions({"vector": rollout.obs["vector"].flatten(0, 1)}, rollout.action.flatten(), {}, {})
    assert torch.allclose(made.rewards_of(flat)["intrinsic"], paid.flatten(), atol=1e-6)
    assert torch.equal(again.compute(rollout).streams["intrinsic"], paid)
    again.context.numpy_rng.bit_generator.state = made.context.numpy_rng.bit_generator.state
    assert made.update(rollout) == again.update(rollout)
    assert torch.equal(again.compute(rollout).streams["intrinsic"], made.compute(rollout).streams["intrinsic"])


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(UserError, match="reward=polar: needs demonstrations"):
        scheme(None)
