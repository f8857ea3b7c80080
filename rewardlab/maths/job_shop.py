"""Job shops: J jobs of M operations in a fixed order, each on a machine of its own; a machine does one at a time.

An instance is `machine` and `duration`, int64 [J, M]: where the operations of each job are done, in order, and for how
long. What is sought is the least makespan, the time when all is done.

Sources: Giffler and Thompson 1960 (active schedules); Carlier 1982 (heads and tails, Jackson's preemptive schedule as a
bound); Muth and Thompson 1963 (ft06).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rewardlab.kernel_cache import inner, kept
from rewardlab.types import Array

RULES = ("spt", "fifo", "mtwr")
SPT, FIFO, MTWR = range(len(RULES))
MOST_SOLVED = 36  # operations: of more, a search may take minutes
_FAR = 2**60


class Shop(NamedTuple):
    """An instance."""

    machine: Array
    duration: Array


class Standing(NamedTuple):
    """How far a schedule has come: int64, of each job [J] the operations that were started and when the last of them
    ends, of each machine [M] when it is free, and the time: nothing more begins before it.
    """

    started: Array
    job_free: Array
    machine_free: Array
    now: int


def ft06() -> Shop:
    """Fisher and Thompson's instance of 6 jobs on 6 machines; its optimum is 55."""
    rows = (
        "2 1 0 3 1 6 3 7 5 3 4 6",
        "1 8 2 5 4 10 5 10 0 10 3 4",
        "2 5 3 4 5 8 0 9 1 1 4 7",
        "1 5 0 5 2 5 3 3 4 8 5 9",
        "2 9 1 3 4 5 5 4 0 3 3 1",
        "1 3 3 3 5 9 0 10 4 4 2 1",
    )
    numbers = np.array([row.split() for row in rows], dtype=np.int64)
    return Shop(np.ascontiguousarray(numbers[:, 0::2]), np.ascontiguousarray(numbers[:, 1::2]))


def drawn(jobs: int, machines: int, longest: int, rng: np.random.Generator) -> Shop:
    """Machines in random orders, durations from 1 to `longest`, each as likely, as in Taillard 1993."""
    order = rng.permuted(np.tile(np.arange(machines), (jobs, 1)), axis=1)
    return Shop(order, rng.integers(1, longest + 1, size=(jobs, machines)))


def beginning(shop: Shop) -> Standing:
    """Before anything has started."""
    jobs, machines = shop.machine.shape
    return Standing(np.zeros(jobs, np.int64), np.zeros(jobs, np.int64), np.zeros(machines, np.int64), 0)


def bound(shop: Shop) -> int:
    """What no makespan is below: the longest job, and every machine's load with the least that is before and after."""
    first = shop.duration.cumsum(axis=1) - shop.duration
    last = shop.duration.sum(axis=1, keepdims=True) - first - shop.duration
    found = int(shop.duration.sum(axis=1).max())
    for machine in range(shop.machine.shape[1]):
        here = shop.machine == machine
        found = max(found, int(first[here].min() + shop.duration[here].sum() + last[here].min()))
    return found


def dispatched(shop: Shop, rule: str) -> int:
    """The makespan of a rule that never leaves a machine idle that could work; of equals the lowest job goes first.

    Args:
        rule: spt, the shortest operation first; fifo, the job that has waited longest; mtwr, the one with most work
            left.
    """
    stand = beginning(shop)
    return int(
        _dispatch(
            *shop, stand.started.copy(), stand.job_free.copy(), stand.machine_free.copy(), stand.now, RULES.index(rule)
        )
    )


def completed(shop: Shop, stand: Standing | None = None) -> tuple[int, Array]:
    """The least makespan of all ways to go on, and when every operation then begins: int64 [J, M], -1 where it had.

    A depth-first search of active schedules. Any number of operations is taken, but time grows with them: 36 take
    milliseconds to seconds.
    """
    stand = beginning(shop) if stand is None else stand
    begins = np.full(shop.machine.shape, -1, dtype=np.int64)
    makespan = _search(*shop, stand.started.copy(), stand.job_free.copy(), stand.machine_free.copy(), stand.now, begins)
    return int(makespan), begins


def _dispatch_of(
    machine: Array, duration: Array, started: Array, job_free: Array, machine_free: Array, now: int, rule: int
) -> int:  # pragma: no cover
    """The makespan of a rule; the standing is overwritten."""
    jobs, machines = machine.shape
    arrived = job_free.copy()  # when its next operation could have been waiting first
    while True:
        soonest = _FAR
        for j in range(jobs):
            if started[j] < machines:
                soonest = min(soonest, max(now, job_free[j], machine_free[machine[j, started[j]]]))
        if soonest == _FAR:
            return int(job_free.max())
        now = soonest
        chosen, best = -1, _FAR
        for j in range(jobs):
            k = started[j]
            if k == machines or job_free[j] > now or machine_free[machine[j, k]] > now:
                continue
            if rule == SPT:
                worth = duration[j, k]
            elif rule == FIFO:
                worth = arrived[j]
            else:
                worth = -duration[j, k:].sum()
            if worth < best:
                chosen, best = j, worth
        k = started[chosen]
        job_free[chosen] = arrived[chosen] = machine_free[machine[chosen, k]] = now + duration[chosen, k]
        started[chosen] += 1


def _bound_of(
    machine: Array, duration: Array, started: Array, job_free: Array, machine_free: Array, now: int
) -> int:  # pragma: no cover
    """What no makespan of going on is below: Jackson's preemptive schedule of each machine alone."""
    jobs, machines = machine.shape
    found = job_free.max()
    head, tail = np.empty((machines, jobs), np.int64), np.empty((machines, jobs), np.int64)
    work = np.zeros((machines, jobs), np.int64)
    for j in range(jobs):
        at = max(job_free[j], now)
        for k in range(started[j], machines):
            m = machine[j, k]
            head[m, j] = max(at, machine_free[m])
            work[m, j] = duration[j, k]
            at = head[m, j] + duration[j, k]
        if started[j] < machines:
            found = max(found, at)
        after = 0
        for k in range(machines - 1, started[j] - 1, -1):
            tail[machine[j, k], j] = after
            after += duration[j, k]
    for m in range(machines):
        t = _FAR
        for j in range(jobs):
            if work[m, j] > 0:
                t = min(t, head[m, j])
        while t < _FAR:
            running, coming = -1, _FAR
            for j in range(jobs):
                if work[m, j] > 0:
                    if head[m, j] > t:
                        coming = min(coming, head[m, j])
                    elif running < 0 or tail[m, j] > tail[m, running]:
                        running = j
            if running < 0:
                t = coming
                continue
            step = min(work[m, running], coming - t)
            work[m, running] -= step
            t += step
            if work[m, running] == 0:
                found = max(found, t + tail[m, running])
    return int(found)


def _search_of(
    machine: Array,
    duration: Array,
    started: Array,
    job_free: Array,
    machine_free: Array,
    now: int,
    begins: Array,
) -> int:  # pragma: no cover
    """The least makespan; `begins` is filled, the standing is overwritten."""
    jobs, machines = machine.shape
    best = _FAR
    for rule in range(3):
        found = _dispatch(machine, duration, started.copy(), job_free.copy(), machine_free.copy(), now, rule)
        best = min(best, found)
    best += 1  # so that a schedule is found where a rule is best already
    depth, left = 0, jobs * machines - started.sum()
    tried = np.empty((left + 1, jobs), np.int64)  # at each depth the jobs to branch on, the last first
    hopes = np.empty((left + 1, jobs), np.int64)  # and a bound of each
    waiting = np.zeros(left + 1, np.int64)
    moved = np.empty((left + 1, 3), np.int64)  # a job, and when it and its machine had been free before
    running = np.full((jobs, machines), -1, np.int64)
    arrived = True
    while depth >= 0:
        if arrived and depth == left:
            if job_free.max() < best:
                best = job_free.max()
                begins[:] = running
            arrived = False
        elif arrived:
            soonest, where = _FAR, -1
            for j in range(jobs):
                if started[j] < machines:
                    m = machine[j, started[j]]
                    ends = max(now, job_free[j], machine_free[m]) + duration[j, started[j]]
                    if ends < soonest:
                        soonest, where = ends, m
            count = 0
            for j in range(jobs):
                k = started[j]
                if k == machines or machine[j, k] != where or max(now, job_free[j], machine_free[where]) >= soonest:
                    continue
                before = job_free[j], machine_free[where]
                ends = max(now, job_free[j], machine_free[where]) + duration[j, k]
                job_free[j] = machine_free[where] = ends
                started[j] += 1
                hope = _bound(machine, duration, started, job_free, machine_free, now)
                started[j] -= 1
                job_free[j], machine_free[where] = before
                if hope < best:
                    at = count
                    while at > 0 and hopes[depth, at - 1] < hope:
                        hopes[depth, at], tried[depth, at] = hopes[depth, at - 1], tried[depth, at - 1]
                        at -= 1
                    hopes[depth, at], tried[depth, at] = hope, j
                    count += 1
            waiting[depth] = count
            arrived = False
        if depth < left and waiting[depth] > 0:
            waiting[depth] -= 1
            j = tried[depth, waiting[depth]]
            if hopes[depth, waiting[depth]] >= best:
                waiting[depth] = 0  # those before it promise no more
                continue
            k, m = started[j], machine[j, started[j]]
            moved[depth, 0], moved[depth, 1], moved[depth, 2] = j, job_free[j], machine_free[m]
            running[j, k] = max(now, job_free[j], machine_free[m])
            job_free[j] = machine_free[m] = running[j, k] + duration[j, k]
            started[j] += 1
            depth += 1
            arrived = True
            continue
        depth -= 1
        if depth >= 0:
            j = moved[depth, 0]
            started[j] -= 1
            running[j, started[j]] = -1
            machine_free[machine[j, started[j]]] = moved[depth, 2]
            job_free[j] = moved[depth, 1]
    return best


_dispatch: Any = kept(_dispatch_of)
_bound: Any = inner(_bound_of)
_search: Any = kept(_search_of)
