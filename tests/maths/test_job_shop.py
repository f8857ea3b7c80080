"""Job shops: known makespans, the search against all schedules, and going on from the middle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.job_shop import RULES, Shop, Standing, bound, completed, dispatched, drawn, ft06


def test_ft06():
    """Muth and Thompson's instance: its optimum, and the rules that never wait, the lowest job first among equals."""
    assert completed(ft06())[0] == 55
    assert [dispatched(ft06(), rule) for rule in RULES] == [88, 65, 61]


def least_of_all(shop: Shop, started, job_free, machine_free) -> int:
    """By every order in which operations can be put behind one another."""
    jobs, machines = shop.machine.shape
    best = max(job_free) if all(k == machines for k in started) else 10**9
    for j in range(jobs):
        if started[j] < machines:
            k, m = started[j], shop.machine[j, started[j]]
            ends = max(job_free[j], machine_free[m]) + shop.duration[j, k]
            parts = [list(part) for part in (started, job_free, machine_free)]
            parts[0][j], parts[1][j], parts[2][m] = k + 1, ends, ends
            best = min(best, least_of_all(shop, *parts))
    return int(best)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), jobs=st.integers(2, 3), machines=st.integers(2, 3))
def test_the_search_finds_the_least_makespan(seed, jobs, machines):
    shop = drawn(jobs, machines, 9, np.random.default_rng(seed))
    found, begins = completed(shop)
    assert found == least_of_all(shop, [0] * jobs, [0] * jobs, [0] * machines)
    assert bound(shop) <= found <= min(dispatched(shop, rule) for rule in RULES)
    ends = begins + shop.duration
    assert ends.max() == found
    assert (begins[:, 1:] >= ends[:, :-1]).all()
    for machine in range(machines):
        here = shop.machine == machine
        order = np.argsort(begins[here])
        assert (begins[here][order][1:] >= ends[here][order][:-1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_schedule_that_has_begun_is_completed_best(seed):
    rng = np.random.default_rng(seed)
    shop = drawn(3, 3, 9, rng)
    stand = Standing(np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64), 0)
    for j in rng.integers(3, size=3):
        k = stand.started[j]
        ends = max(stand.job_free[j], stand.machine_free[shop.machine[j, k]]) + shop.duration[j, k]
        stand.job_free[j] = stand.machine_free[shop.machine[j, k]] = ends
        stand.started[j] += 1
    found, begins = completed(shop, stand)
    assert found == least_of_all(shop, *(part.tolist() for part in stand[:3]))
    assert ((begins < 0) == (np.arange(3) < stand.started[:, None])).all()
    assert completed(shop, stand._replace(now=7))[1][begins >= 0].min() >= 7
