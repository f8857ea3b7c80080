"""Made-up worlds and rollouts that look like real ones, boundaries included, and can be altered at will."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardlab.facts import (
    AHEAD,
    CARRYING,
    DISTANCE,
    DOORS_OPEN,
    EVIDENCE,
    GAP,
    GIVEN,
    GRID,
    HELD,
    LAVA_BESIDE,
    MAX_GAP,
    PANORAMA,
    RIGHT,
    STANDING,
    TEACHER,
    WANTED,
)
from rewardlab.maths import distributions, job_shop, shop_floor
from rewardlab.types import MASK, ActionSpec, Arms, Array, EnvSpec, Mdp, ObsSpec, Rollout, TaskFacts, TensorObs

_ORDINARY = 8  # so few states that each is visited often
_SLOTS = 4  # of answers
_FINAL = 512  # states that are seen at most once, as the last of an episode
STATES = _ORDINARY + _FINAL

_VIEW = ObsSpec((7, 7, 3), "uint8", 10)
_VECTOR = ObsSpec((4,), "float32")
_BOX = ActionSpec(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0))


BUDGETS = "budgets"  # of a bandit whose pulls cost something: to whoever needs no budgets it is another vector
SHOPS = "shops"  # of two jobs on two machines: to whoever schedules none it is another vector


def worlds(privileged: tuple[str, ...] = ()) -> dict[str, EnvSpec]:
    """Every kind of observation and action; each world can give the facts that are asked for."""
    seven, three = ActionSpec(n=7), ActionSpec(n=3)
    goal = ObsSpec((2,), "float32")
    made = {
        "grid": ({"image": _VIEW}, seven),
        "mission": ({"image": _VIEW, "mission": ObsSpec((5,), "int64", 9)}, seven),
        "vector": ({"vector": _VECTOR}, three),
        "continuous": ({"vector": _VECTOR}, _BOX),
        "table": ({"cell": ObsSpec((1,), "int64", 99)}, three),
        "goals": ({"vector": _VECTOR, "goal": goal, "achieved": goal}, three),
        BUDGETS: ({"vector": ObsSpec((5,), "float32")}, three),
        SHOPS: ({"vector": ObsSpec((shop_floor.width(2, 2),), "float32"), MASK: ObsSpec((3,), "uint8", 1)}, three),
    }
    arms = {"vector": Arms(features=np.linspace(0.0, 1.0, 3)[:, None]), BUDGETS: Arms(costs=1, budget=20.0)}
    place = ((0.0, 0.0), (6.0, 6.0))
    shapes = {GIVEN: (_SLOTS,), WANTED: (_SLOTS,), STANDING: (3, 6)}
    return {
        name: EnvSpec(
            f"made-up {name}",
            obs,
            action,
            max_steps=100,
            task=TaskFacts(success="some of the last steps"),
            privileged=privileged,
            goals="goal" in obs,
            place=place,
            fact_shapes=shapes,
            mdp=walk if "cell" in obs else None,
            arms=arms.get(name),
        )
        for name, (obs, action) in made.items()
    }


def walk() -> Mdp:
    """Of the 100 cells of the table, 6 in a row: action 0 goes back, 1 stays, 2 goes on; at the end that pays 1."""
    chance, reward = np.zeros((100, 3, 100)), np.zeros((100, 3))
    for cell in range(6):
        chance[cell, 0, max(cell - 1, 0)] = chance[cell, 1, cell] = 1.0
        if cell < 5:
            chance[cell, 2, cell + 1] = 1.0
    reward[5, 2] = 1.0
    return Mdp(chance, reward, np.eye(100)[0])


def goal_outcome(achieved: Array, desired: Array) -> tuple[Array, Array]:
    """That of the world with goals: 1 for reaching the goal exactly, which ends the episode."""
    reached = (achieved == desired).all(axis=-1)
    return reached.astype(np.float32), reached


@dataclass(frozen=True)
class Script:
    """What happens in T steps of N environments, by the numbers of states; see `Rollout` for the rest.

    shown: int [T + 1, N], the states that obs and, in the last row, last_obs show.
    reached: int [T, N], the true successors.
    """

    shown: Array
    reached: Array
    terminated: Array
    truncated: Array
    first: Array
    last_first: Array
    action: Array
    task_reward: Array

    @property
    def done(self) -> Array:
        return self.terminated | self.truncated


def write_script(
    rng: np.random.Generator, spec: EnvSpec, steps: int, num_envs: int, before: Script | None = None
) -> Script:
    """A random script with ends of both kinds; each ends in a state that is seen nowhere else.

    Args:
        before: the script that it continues.
    """
    ends = rng.random((steps, num_envs))
    ends[-1, 0] = 0.0  # one episode ends with the rollout, so that last_obs shows a reset frame
    if steps > 3:
        ends[steps // 2, -1] = 0.1
        ends[-1, -1] = 1.0
    terminated, truncated = ends < 0.08, (ends >= 0.08) & (ends < 0.16)
    done = terminated | truncated
    shown = rng.integers(_ORDINARY, size=(steps + 1, num_envs))
    first = np.ones((1, num_envs), dtype=bool)
    if before is not None:
        shown[0], first = before.shown[-1], before.last_first[None]
    final = _ORDINARY + rng.permutation(_FINAL)[: steps * num_envs].reshape(steps, num_envs)
    if spec.action.n is not None:
        action = rng.integers(spec.action.n, size=(steps, num_envs))
    else:
        action = rng.uniform(-1.0, 1.0, size=(steps, num_envs, *spec.action.shape)).astype(np.float32)
    return Script(
        shown=shown,
        reached=np.where(done, final, shown[1:]),
        terminated=terminated,
        truncated=truncated,
        first=np.concatenate([first, done[:-1]]),
        last_first=done[-1],
        action=action,
        task_reward=np.where(terminated, rng.random((steps, num_envs)), 0.0).astype(np.float32),
    )


def permuted(script: Script, order: Sequence[int]) -> Script:
    """The same with the environments in another order."""
    chosen = list(order)
    by_env = {name: value[:, chosen] for name, value in vars(script).items() if name != "last_first"}
    return Script(**by_env, last_first=script.last_first[chosen])


def with_end(script: Script, step: int, env: int) -> Script:
    """The same with an episode of `env` ending at `step` by termination; every frame stays."""
    terminated, first, last_first = script.terminated.copy(), script.first.copy(), script.last_first.copy()
    terminated[step, env] = True
    if step + 1 < len(first):
        first[step + 1, env] = True
    else:
        last_first[env] = True
    return replace(script, terminated=terminated, first=first, last_first=last_first)


class Renderer:
    """Turns scripts into rollouts: each state has one fixed random look."""

    def __init__(self, spec: EnvSpec, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._looks = {name: torch.from_numpy(_looks(rng, name, entry)) for name, entry in spec.obs.items()}
        hashes = rng.integers(-(2**62), 2**62, size=STATES)
        self._facts = {name: torch.from_numpy(_fact(name, hashes)) for name in spec.privileged}
        self._policy = {name: torch.from_numpy(table) for name, table in _policy(rng, spec.action).items()}

    def rollout(self, script: Script, values: int = 1) -> Rollout:
        """The policy is one of this renderer's, by state; the values (for so many streams) are neutral."""
        steps, num_envs = script.reached.shape
        shown, reached = torch.from_numpy(script.shown), torch.from_numpy(script.reached)
        obs, dist = self._show(self._looks, shown), self._show(self._policy, shown[:-1])
        action = torch.from_numpy(script.action.copy())
        return Rollout(
            obs={name: entry[:-1] for name, entry in obs.items()},
            next_obs=self._show(self._looks, reached),
            action=action,
            task_reward=torch.from_numpy(script.task_reward.copy()),
            terminated=torch.from_numpy(script.terminated.copy()),
            truncated=torch.from_numpy(script.truncated.copy()),
            success=torch.from_numpy(script.terminated.copy()),
            first=torch.from_numpy(script.first.copy()),
            last_obs={name: entry[-1] for name, entry in obs.items()},
            last_first=torch.from_numpy(script.last_first.copy()),
            agent_state0=None,
            log_prob=distributions.log_prob(dist, action),
            dist=dist,
            values=torch.zeros(steps + 1, num_envs, values),
            final_values=torch.zeros(steps, num_envs, values),
            privileged=self._show(self._facts, reached),
            current_privileged=self._show(self._facts, shown[:-1]),
        )

    def _show(self, table: TensorObs, states: torch.Tensor) -> TensorObs:
        return {name: entry[states] for name, entry in table.items()}


def _looks(rng: np.random.Generator, name: str, entry: ObsSpec) -> Array:
    shape = (STATES, *entry.shape)
    if name == MASK:  # a third of the actions, and one at least
        return ((rng.random(shape) < 1 / 3) | np.eye(shape[1], dtype=bool)[rng.integers(shape[1], size=STATES)]).astype(
            "uint8"
        )
    if entry.high:
        return rng.integers(entry.high + 1, size=shape).astype(entry.dtype)
    return rng.normal(size=shape).astype(entry.dtype)


def _policy(rng: np.random.Generator, action: ActionSpec) -> dict[str, Array]:
    """Parameters of a distribution over actions, by state."""
    if action.n is not None:
        return {"logits": rng.normal(size=(STATES, action.n)).astype(np.float32)}
    shape = (STATES, *action.shape)
    return {"mean": rng.normal(size=shape).astype(np.float32), "log_std": np.full(shape, -0.5, dtype=np.float32)}


def _fact(name: str, hashes: Array) -> Array:
    """Positions are pairs of small numbers, panoramas four images, a distance one number; a grid holds one agent; the
    rest identify states.
    """
    if name == PANORAMA:
        return (hashes[:, None] >> np.arange(0, 48, 4) & 15).reshape(-1, 4, 1, 1, 3)
    if name == DISTANCE:
        return hashes % 50
    if name in (GIVEN, WANTED):  # each slot of an answer is right by half, and now and then empty
        wanted = np.tile(1 + np.arange(_SLOTS) % 2, (len(hashes), 1))
        bits = hashes[:, None] >> np.arange(0, 4 * _SLOTS, 4) & 15
        return wanted if name == WANTED else np.where(bits & 1, wanted, bits >> 2)
    if name == EVIDENCE:
        return hashes % 2
    if name in (GAP, MAX_GAP):
        return hashes % 5 / 4.0 if name == GAP else 1.0 + hashes % 3
    if name == TEACHER:
        return hashes % 3
    if name in (LAVA_BESIDE, CARRYING, DOORS_OPEN, RIGHT):
        return hashes % 5
    if name == GRID:
        return _grids(hashes)
    if name == STANDING:
        return _floors(hashes)
    if name == AHEAD:
        return np.stack([hashes % 10, hashes // 10 % 6, hashes // 60 % 3], axis=-1)
    if name == HELD:
        return np.stack([hashes % 3 * 5 // 2, hashes % 6, hashes * 0], axis=-1)
    return np.stack([hashes % 7, hashes // 7 % 7], axis=-1) if name.endswith("_pos") else hashes


def _grids(hashes: Array) -> Array:
    """uint8 [S, 7, 7, 3]: objects, colours and states as MiniGrid numbers them, and an agent somewhere."""
    bits = np.arange(49)[:, None] % 40 + np.array([0, 9, 18])
    cells = (hashes[:, None, None] >> bits) % np.array([10, 6, 3])
    cells[np.arange(len(hashes)), hashes % 49] = np.stack([np.full_like(hashes, 10), hashes * 0, hashes % 4], axis=-1)
    grids: Array = cells.reshape(-1, 7, 7, 3).astype(np.uint8)
    return grids


def _floors(hashes: Array) -> Array:
    """int64 [S, 3, 6]: job shops in which something was started, and nothing is under way."""
    shops = [job_shop.drawn(2, 2, 9, np.random.default_rng(abs(int(each)))) for each in hashes]
    now = hashes % 20
    return shop_floor.table(
        {
            "machine": np.stack([shop.machine for shop in shops]),
            "duration": np.stack([shop.duration for shop in shops]),
            "started": hashes[:, None] // np.array([20, 60]) % 3,
            "job_free": np.stack([now, now], axis=1),
            "machine_free": np.stack([now, now], axis=1),
            "now": now,
        }
    )
