"""First visits: what is paid, recomputed with sets, and beside the schemes that it is a part of."""

import pytest
import torch
from made_up import case, rollouts, steps_of, what_is_seen


@pytest.mark.parametrize("key", ["view", "state"])
def test_every_state_is_paid_once_an_episode(key: str) -> None:
    a_case = case("first_visits", key=key)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 9, 20)
    been: dict[tuple[int, int], set[object]] = {}
    paid, shares = [], []
    for rollout in made:
        paid.append(scheme.compute(rollout).streams["intrinsic"])
        shares.append(scheme.update(rollout)["explore/first_visits"])
    for number, t, env, episode, begins in steps_of(made):
        rollout = made[number]
        if key == "state":
            start, reached = (
                int(facts["state_hash"][t, env]) for facts in (rollout.current_privileged, rollout.privileged)
            )
        else:
            start, reached = (what_is_seen(obs, t, env) for obs in (rollout.obs, rollout.next_obs))
        if begins:
            been[episode] = {start}
        assert paid[number][t, env] == float(reached not in been[episode])
        been[episode].add(reached)
    assert shares == pytest.approx([float(each.mean()) for each in paid])
    assert all(0 < share < 1 for share in shares)


def test_it_is_what_agac_counts() -> None:
    paid = []
    for name, options in (("first_visits", {}), ("agac", {"c": 0.0})):
        a_case = case(name, **options)
        scheme, _ = a_case.build()
        paid.append([scheme.compute(rollout).streams["intrinsic"] for rollout in rollouts(a_case, 20, 9)])
    torch.testing.assert_close(*paid)


def test_only_the_full_state_is_declared() -> None:
    assert case("first_visits").build()[0].assumes == frozenset()
    assert case("first_visits", key="state").build()[0].assumes == {"privileged"}
