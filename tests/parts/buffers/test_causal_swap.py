"""Which number of a replayed state is swapped, and what is exchanged."""

import numpy as np
import pytest
import torch

from rewardlab.maths.causal import effects
from rewardlab.parts.buffers.causal_swap import CausalSwap
from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, Transitions

SIZE = 6
SPEC = EnvSpec("made-up", {"vector": ObsSpec((SIZE,), "float32")}, ActionSpec(shape=(1,), low=(-1.0,), high=(1.0,)), 9)


def steps(count: int, rng: torch.Generator) -> Transitions:
    """Paid by number 0, by the square of number 1 and by the action; numbers 2 and 3 move with 0; 4 and 5 are noise."""
    state = torch.randn(count, SIZE, generator=rng)
    state[:, 2] = 0.7 * state[:, 0] + 0.7 * state[:, 2]
    action = torch.randn(count, 1, generator=rng)
    reward = 0.5 * state[:, 0] - 0.3 * state[:, 1].square() + action[:, 0] + 0.3 * torch.randn(count, generator=rng)
    return Transitions({"vector": state}, action, {"reward": reward}, {"vector": state + 1.0})


@pytest.mark.parametrize(("mode", "least", "most"), [("least", 0.95, 1.0), ("random", 0.3, 0.99)])
def test_what_is_swapped_does_not_count(mode: str, least: float, most: float) -> None:
    """In 100 buffers of 300 steps: numbers 2 to 5 are distractors, of which 2 alone is correlated with the reward."""
    rng, hits = torch.Generator().manual_seed(0), []
    for seed in range(100):
        replay, draws = Replay(300), np.random.default_rng(seed)
        replay.add(steps(300, rng))
        swap = CausalSwap(mode, 1000, "reward", SPEC)
        swap.played(1, replay, draws)
        batch, _ = replay.sample(9, draws)
        before = {name: shown["vector"].clone() for name, shown in (("obs", batch.obs), ("next_obs", batch.next_obs))}
        swapped = swap.swapped(batch, draws)
        changed = (swapped.obs["vector"] != before["obs"]).any(dim=0)
        assert changed.sum() <= 1  # none, where both halves drew the same steps
        for name, shown in (("obs", swapped.obs), ("next_obs", swapped.next_obs)):
            number = changed.long().argmax()
            found, was = shown["vector"], before[name]
            assert torch.equal(found[:4, number], was[4:8, number]) and torch.equal(found[4:8, number], was[:4, number])
            rest = torch.arange(SIZE) != number
            assert torch.equal(found[:, rest], was[:, rest]) and torch.equal(found[8], was[8])
        assert torch.equal(batch.obs["vector"], before["obs"]), "what was drawn stays"
        assert torch.equal(swapped.extra["reward"], batch.extra["reward"])
        hits.append(int(changed.long().argmax()) >= 2)
    assert least <= np.mean(hits) <= most


def test_effects_and_when_there_are_none() -> None:
    rng = torch.Generator().manual_seed(1)
    batch = steps(20_000, rng)
    inputs = torch.cat([batch.obs["vector"], torch.full((20_000, 1), 3.0), batch.action], dim=1)
    found = effects(inputs, batch.extra["reward"])
    spread = float(batch.extra["reward"].std())
    wanted = torch.tensor([0.5, 0.3 * 2**0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]) / spread  # a square has the variance 2
    assert torch.allclose(found, wanted, atol=0.02)
    assert effects(inputs, torch.ones(20_000)) is None

    swap, replay = CausalSwap("least", 10, "reward", SPEC), Replay(50)
    unpaid = steps(50, rng)
    unpaid.extra["reward"].zero_()
    replay.add(unpaid)
    swap.played(5, replay, np.random.default_rng(0))
    assert swap.least is None and swap.swapped(unpaid, np.random.default_rng(0)) is unpaid
    replay.add(steps(50, rng))
    swap.played(5, replay, np.random.default_rng(0))
    assert swap.least is None, "not due yet"
    swap.played(5, replay, np.random.default_rng(0))
    assert swap.least is not None and swap.least >= 2
