"""C-BET's counts against dictionaries, resets included."""

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts

from rewardlab.rewards.bonus.cbet import ForgetfulCounts


@pytest.mark.parametrize("shared", [True, False])
def test_bonus_recomputed_with_dictionaries(shared: bool) -> None:
    a_case = case("cbet", shared=shared, reset_probability=0.0)
    scheme, _ = a_case.build()
    states: dict[tuple[int, bytes], int] = {}
    changes: dict[tuple[int, bytes], int] = {}
    for rollout in rollouts(a_case, STEPS, 5, STEPS):
        before, after = rollout.obs["image"].numpy().astype(int), rollout.next_obs["image"].numpy().astype(int)
        expected = np.zeros((rollout.steps, 4))
        for t in range(rollout.steps):
            keys = []
            for env in range(4):
                table = 0 if shared else env
                state, change = (table, after[t, env].tobytes()), (table, (after[t, env] - before[t, env]).tobytes())
                states[state] = states.get(state, 0) + 1
                changes[change] = changes.get(change, 0) + 1
                keys.append((state, change))
            for env, (state, change) in enumerate(keys):  # a whole vector step counts at once
                expected[t, env] = 1.0 / (states[state] + changes[change])
        found = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    metrics = scheme.update(rollout)
    assert (metrics["explore/states"], metrics["explore/changes"]) == (len(states), len(changes))


def test_full_states_and_pairs_of_them() -> None:
    a_case = case("cbet", key="state", change="state", shared=False, reset_probability=0.0)
    scheme, _ = a_case.build()
    assert scheme.assumes == {"privileged"}
    rollout = rollouts(a_case, STEPS)[0]
    before, after = rollout.current_privileged["state_hash"].numpy(), rollout.privileged["state_hash"].numpy()
    seen, pairs = [[] for _ in range(4)], [[] for _ in range(4)]  # type: ignore[var-annotated]
    expected = np.zeros((STEPS, 4))
    for t in range(STEPS):
        for env in range(4):
            seen[env].append(after[t, env])
            pairs[env].append((before[t, env], after[t, env]))
            expected[t, env] = 1.0 / (seen[env].count(seen[env][-1]) + pairs[env].count(pairs[env][-1]))
    np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-6)


def test_changes_of_panoramas() -> None:
    a_case = case("cbet", change="panorama", reset_probability=0.0)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    gap = rollout.privileged["panorama"].numpy() - rollout.current_privileged["panorama"].numpy()
    views = rollout.next_obs["image"].numpy()
    seen, expected = {}, np.zeros((STEPS, 4))  # type: ignore[var-annotated]
    for t in range(STEPS):
        for env in range(4):
            for key in (("view", views[t, env].tobytes()), ("change", gap[t, env].tobytes())):
                seen[key] = seen.get(key, 0) + 1
        for env in range(4):
            total = seen["view", views[t, env].tobytes()] + seen["change", gap[t, env].tobytes()]
            expected[t, env] = 1.0 / total
    np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-6)


def test_forgetting_by_hand() -> None:
    keys = np.array([[1, 1], [1, 2], [1, 1], [2, 1]])
    shared = ForgetfulCounts(1)
    resets = np.array([[False], [True], [False], [True]])
    assert shared.add(keys, resets).tolist() == [[2, 2], [3, 1], [2, 2], [1, 3]]
    assert shared.distinct == 0  # forgotten after the last step
    own = ForgetfulCounts(2)
    resets = np.array([[False, True], [False, False], [True, False], [False, False]])
    assert own.add(keys, resets).tolist() == [[1, 1], [2, 1], [3, 1], [1, 2]]
    assert own.distinct == 1 + 2


def test_resets_come_as_often_as_asked_for() -> None:
    a_case = case("cbet", reset_probability=1.0)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    rollout.obs["image"] = torch.zeros_like(rollout.obs["image"])
    rollout.next_obs["image"] = torch.zeros_like(rollout.next_obs["image"])
    assert (scheme.compute(rollout).streams["intrinsic"] == 1 / 8).all()  # four environments, states and changes
