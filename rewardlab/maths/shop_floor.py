"""Job shops in motion, N at a time: what an action does, what is allowed, what is seen, and how the best goes on.

A floor is a dict of int64 arrays: machine, duration [N, J, M], the instances of `job_shop.Shop`; started, job_free
[N, J]; machine_free [N, M]; now [N], as in `job_shop.Standing`. Action j starts the next operation of job j; action J
waits until something ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rewardlab.maths import job_shop
from rewardlab.maths.job_shop import Shop, Standing
from rewardlab.types import CANDIDATES, MASK, Array, Obs

FEATURES = 6  # of an action that is described
_FAR = np.iinfo(np.int64).max


def over(floor: Obs) -> Array:
    """Whether everything has begun, bool [N]."""
    found: Array = (floor["started"] == floor["machine"].shape[2]).all(axis=1)
    return found


def soonest(floor: Obs) -> Array:
    """When the next operation of each job could start, int64 [N, J]; never where there is none."""
    machines, started = floor["machine"].shape[2], floor["started"]
    k = np.minimum(started, machines - 1)
    machine = np.take_along_axis(floor["machine"], k[..., None], axis=2)[..., 0]
    free = np.maximum(floor["job_free"], np.take_along_axis(floor["machine_free"], machine, axis=1))
    return np.where(started < machines, np.maximum(free, floor["now"][:, None]), _FAR)


def allowed(floor: Obs) -> Array:
    """Which jobs can go on now, and whether there is something to wait for; at the end only waiting is left.

    Returns:
        uint8 [N, J + 1].
    """
    now = floor["now"][:, None]
    waits = (floor["job_free"] > now).any(axis=1) | over(floor)
    return np.concatenate([soonest(floor) == now, waits[:, None]], axis=1).astype(np.uint8)


def advance(floor: Obs, action: Array) -> Array:
    """Take actions int64 [N], all of them allowed; whether everything has begun then, bool [N]."""
    started, job_free, machine_free, now = (floor[name] for name in ("started", "job_free", "machine_free", "now"))
    waits = action == started.shape[1]
    now[waits] = _next_end(floor)[waits]
    i, j = np.flatnonzero(~waits), action[~waits]
    k = started[i, j]
    job_free[i, j] = machine_free[i, floor["machine"][i, j, k]] = now[i] + floor["duration"][i, j, k]
    started[i, j] += 1
    done = over(floor)
    now[:] = np.where(done, now, soonest(floor).min(axis=1))
    return done


def shown(floor: Obs, scale: Array, described: bool) -> Obs:
    """What is seen, in shares of `scale`, int64 [N].

    Returns:
        `vector` float32 [N, `width`], see `job_rows`; `MASK`; and, if each action is to be described, `CANDIDATES`
        float32 [N, J + 1, `FEATURES`].
    """
    count, _, machines = floor["machine"].shape
    scale, now = scale[:, None], floor["now"][:, None]
    at = floor["started"][..., None] + np.arange(machines)  # the next operations first, [N, J, M]
    ahead = at < machines
    at = np.minimum(at, machines - 1)
    duration = np.where(ahead, np.take_along_axis(floor["duration"], at, axis=2), 0)
    machine = np.where(ahead, np.take_along_axis(floor["machine"], at, axis=2), -1)
    onehot = machine[..., None] == np.arange(machines)
    load = (onehot * duration[..., None]).sum(axis=(1, 2))
    jobs = [
        (floor["job_free"] - now).clip(min=0)[..., None] / scale[..., None],
        duration.sum(axis=2, keepdims=True) / scale[..., None],
        duration / scale[..., None],
        onehot.reshape(*onehot.shape[:2], -1),
    ]
    shop = [(floor["machine_free"] - now).clip(min=0) / scale, load / scale]
    vector = [np.concatenate(jobs, axis=2).reshape(count, -1), *shop]
    seen = {"vector": np.concatenate(vector, axis=1).astype(np.float32), MASK: allowed(floor)}
    if described:
        seen[CANDIDATES] = _described(floor, scale, machine[..., 0], duration, load)
    return seen


def width(jobs: int, machines: int) -> int:
    """Numbers of the vector that is seen."""
    return jobs * (2 + machines * (1 + machines)) + 2 * machines


def table(floor: Obs) -> Array:
    """All of a floor in one table, int64 [N, J + 1, 2 * M + 2]: `facts.STANDING`.

    Of each job its machines, its durations, how many operations were started, and when the last of them ends; in the
    last row when machines are free, and what time it is.
    """
    count, jobs, machines = floor["machine"].shape
    found = np.zeros((count, jobs + 1, 2 * machines + 2), dtype=np.int64)
    found[:, :-1, :machines], found[:, :-1, machines:-2] = floor["machine"], floor["duration"]
    found[:, :-1, -2], found[:, :-1, -1] = floor["started"], floor["job_free"]
    found[:, -1, :machines], found[:, -1, -1] = floor["machine_free"], floor["now"]
    return found


def of_table(told: Array) -> Obs:
    """The floor that `table` tells of, in arrays of its own."""
    machines = told.shape[2] // 2 - 1
    parts = {
        "machine": told[:, :-1, :machines],
        "duration": told[:, :-1, machines:-2],
        "started": told[:, :-1, -2],
        "job_free": told[:, :-1, -1],
        "machine_free": told[:, -1, :machines],
        "now": told[:, -1, -1],
    }
    return {name: np.array(part, dtype=np.int64, order="C") for name, part in parts.items()}


class Completion(NamedTuple):
    """How N schedules are completed best.

    makespan: int64 [N]. obs: what is seen on the way, each entry [L, N, ...]; action: int64 [L, N]; live: bool [L, N],
    false where a schedule was complete before.
    """

    makespan: Array
    obs: Obs
    action: Array
    live: Array


def completion(floor: Obs, described: bool) -> Completion:
    """Solve what is left of each shop, and play it: of operations that begin at once those of lower jobs go first.

    The floor is overwritten: everything has begun then.
    """
    count, jobs, machines = floor["machine"].shape
    scale, every = bounds(floor), np.arange(jobs)
    solved = [job_shop.completed(*_apart(floor, i)) for i in range(count)]
    begins = np.stack([each[1] for each in solved])
    seen: list[Obs] = []
    actions: list[Array] = []
    lives: list[Array] = []
    done = over(floor)
    while not (done.all() and seen):
        seen.append(shown(floor, scale, described))
        k = np.minimum(floor["started"], machines - 1)
        due = np.take_along_axis(begins, k[..., None], axis=2)[..., 0] == floor["now"][:, None]
        due &= seen[-1][MASK][:, :-1] == 1
        actions.append(np.where(due, every, jobs).min(axis=1))
        lives.append(~done)
        moving = np.flatnonzero(~done)
        part = {name: entry[moving] for name, entry in floor.items()}
        done[moving] = advance(part, actions[-1][moving])
        for name, entry in part.items():
            floor[name][moving] = entry
    obs = {name: np.stack([each[name] for each in seen]) for name in seen[0]}
    return Completion(np.array([each[0] for each in solved]), obs, np.stack(actions), np.stack(lives))


def bounds(floor: Obs) -> Array:
    """`job_shop.bound` of each shop, int64 [N]."""
    pairs = zip(floor["machine"], floor["duration"], strict=True)
    return np.array([job_shop.bound(Shop(*pair)) for pair in pairs], dtype=np.int64)


def _apart(floor: Obs, i: int) -> tuple[Shop, Standing]:
    standing = Standing(floor["started"][i], floor["job_free"][i], floor["machine_free"][i], int(floor["now"][i]))
    return Shop(floor["machine"][i], floor["duration"][i]), standing


def _next_end(floor: Obs) -> Array:
    """When the next operation ends that is under way, int64 [N]; never where none is."""
    ends: Array = np.where(floor["job_free"] > floor["now"][:, None], floor["job_free"], _FAR).min(axis=1)
    return ends


def _described(floor: Obs, scale: Array, machine: Array, duration: Array, load: Array) -> Array:
    """Every action, float32 [N, J + 1, F].

    Args:
        scale: [N, 1]. machine: int64 [N, J], of the next operations, -1 for none. duration: int64 [N, J, M], what is
            left, the next first. load: int64 [N, M], what is left to machines.
    """
    now, left, (count, jobs) = floor["now"][:, None], duration.sum(axis=2), machine.shape
    ready = soonest(floor) == now
    rivals = ((machine[:, :, None] == machine[:, None, :]) & ready[:, None, :]).sum(axis=2)
    found = np.zeros((count, jobs + 1, FEATURES), dtype=np.float32)
    described = [
        duration[..., 0] / scale,
        left / scale,
        left / left.max(axis=1, keepdims=True).clip(min=1),
        np.where(machine >= 0, np.take_along_axis(load, machine.clip(min=0), axis=1), 0) / scale,
        rivals / jobs,
    ]
    found[:, :-1, 1:] = np.stack(described, axis=2)
    waits = (_next_end(floor) - now[:, 0]) / scale[:, 0]
    found[:, -1, 0] = np.where((floor["job_free"] > now).any(axis=1), waits, 0.0)
    return found
