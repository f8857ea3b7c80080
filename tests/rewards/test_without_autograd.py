"""Schemes that learn without autograd, where weights allow it, against autograd on the same formulas."""

import importlib

import pytest
import torch
from made_up import STEPS, case, rollouts

SMALL = {"memory": 8, "features": 6, "hidden": 7, "batch_size": 64, "chunk": 5}  # no multiple of it ends a rollout
SCHEMES = {
    "byol_explore": SMALL,
    "byol_hindsight": SMALL | {"negatives": 4, "pairs": 50},
    "deir": {"features": 6, "hidden": 7, "batch_size": 50},
}


@pytest.mark.parametrize("world", ["grid", "continuous"])
@pytest.mark.parametrize("name", SCHEMES)
def test_the_same_numbers(name: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a_case = case(name, world, **SCHEMES[name], normalise_reward=False, learning_rate=1e-3)
    fused, _ = a_case.build()
    module = importlib.import_module(f"rewardlab.rewards.bonus.{name}")
    monkeypatch.setattr(module, "can_fuse", lambda *modules: False)
    plain, _ = a_case.build()
    assert fused._fused is not None and plain._fused is None
    made = rollouts(a_case, STEPS, 7, STEPS)
    assert made[1].first.any() or made[2].first.any()
    for rollout in made:
        found = [scheme.compute(rollout).streams["intrinsic"] for scheme in (fused, plain)]
        torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)
        said = [scheme.update(rollout) for scheme in (fused, plain)]
        assert said[0] == pytest.approx(said[1], rel=1e-3, abs=1e-5)
    moved = [dict(scheme.optimiser.state_dict()) for scheme in (fused, plain)]
    torch.testing.assert_close(moved[0]["mean"], moved[1]["mean"], rtol=1e-2, atol=1e-6)
