"""Speed of the gridworld engine beside other MiniGrid implementations: ratios, from one run on one machine.

Environment only: uniformly random actions, resets included, one thread, CPU seconds. Engines are timed in turns, so
that a change in the machine's load touches all of them alike; a ratio is the median over turns.

    python scripts/peers/engine.py
    python scripts/peers/engine.py --ids MiniGrid-DoorKey-8x8-v0 --envs 256 --turns 5

EnvPool, NAVIX and XLand-MiniGrid are timed where they are installed and have the task; otherwise the table says so.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

DEFAULT_IDS = (
    "MiniGrid-DoorKey-8x8-v0",
    "MiniGrid-MultiRoom-N6-v0",
    "MiniGrid-KeyCorridorS3R3-v0",
    "BabyAI-GoToLocal-v0",
    "BabyAI-GoTo-v0",
)
# A timed stretch: takes a number of vector steps (or of steps, for Farama's), returns steps per CPU second.
Stretch = Callable[[], float]


class NotHere(Exception):
    """A peer that cannot be timed here, and why."""


def ours(env_id: str, num_envs: int) -> Stretch:
    """This engine through its public vector environment, missions and last observations included."""
    from rewardlab.gridworld import make_vec

    envs = make_vec(env_id, num_envs)
    envs.reset(seed=0)
    count = max(200, 512_000 // num_envs)
    actions = np.random.default_rng(0).integers(0, envs.single_action_space.n, (count, num_envs))

    def stretch() -> float:
        began = time.process_time()
        for row in actions:
            envs.step(row)
        return count * num_envs / (time.process_time() - began)

    return stretch


def farama(env_id: str, num_envs: int) -> Stretch:
    """Farama's minigrid, bare (no wrappers, no vector environment): its best case."""
    from rewardlab.gridworld.reference import make_reference

    envs = [make_reference(env_id) for _ in range(min(num_envs, 16))]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    rng = np.random.default_rng(0)

    def stretch() -> float:
        count = 8_000
        actions = rng.integers(0, int(envs[0].action_space.n), count).tolist()
        began = time.process_time()
        for k, action in enumerate(actions):
            env = envs[k % len(envs)]
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return count / (time.process_time() - began)

    return stretch


def envpool(env_id: str, num_envs: int) -> Stretch:
    """EnvPool, one thread."""
    try:
        import envpool as pool
    except ImportError as error:
        raise NotHere(f"not installed ({error})") from None
    if env_id not in pool.list_all_envs():
        raise NotHere("does not have this task")
    envs = pool.make(env_id, env_type="gymnasium", num_envs=num_envs, num_threads=1)
    envs.reset()
    count = max(100, 128_000 // num_envs)
    actions = np.random.default_rng(0).integers(0, envs.action_space.n, (count, num_envs)).astype(np.int32)

    def stretch() -> float:
        began = time.process_time()
        for row in actions:
            envs.step(row)
        return count * num_envs / (time.process_time() - began)

    return stretch


def navix(env_id: str, num_envs: int) -> Stretch:
    """NAVIX, a jitted scan over vector steps with its own automatic reset."""
    try:
        import jax
        import navix as nx
    except ImportError as error:
        raise NotHere(f"not installed ({error})") from None
    name = env_id.replace("MiniGrid", "Navix")
    try:
        env = nx.make(name)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise NotHere(f"does not have this task ({type(error).__name__})") from None
    count = 200

    def one(carry, key):
        actions = jax.random.randint(key, (num_envs,), 0, 7)
        state = jax.vmap(env.step)(carry, actions)
        return state, state.reward

    @jax.jit
    def run(state, key):
        return jax.lax.scan(one, state, jax.random.split(key, count))

    key = jax.random.PRNGKey(0)
    state = jax.jit(jax.vmap(env.reset))(jax.random.split(key, num_envs))
    state, _ = jax.block_until_ready(run(state, key))

    def stretch() -> float:
        began = time.process_time()
        jax.block_until_ready(run(state, key))
        return count * num_envs / (time.process_time() - began)

    return stretch


def xland(env_id: str, num_envs: int) -> Stretch:
    """XLand-MiniGrid, a jitted scan over vector steps with automatic resets."""
    try:
        import jax
        import xminigrid
        from xminigrid.wrappers import GymAutoResetWrapper
    except ImportError as error:
        raise NotHere(f"not installed ({error})") from None
    name = env_id.removesuffix("-v0")
    if name not in xminigrid.registered_environments():
        raise NotHere("does not have this task")
    env, params = xminigrid.make(name)
    env = GymAutoResetWrapper(env)
    count = 200

    def one(carry, key):
        actions = jax.random.randint(key, (num_envs,), 0, env.num_actions(params))
        timestep = jax.vmap(env.step, in_axes=(None, 0, 0))(params, carry, actions)
        return timestep, timestep.reward

    @jax.jit
    def run(timestep, key):
        return jax.lax.scan(one, timestep, jax.random.split(key, count))

    key = jax.random.PRNGKey(0)
    timestep = jax.jit(jax.vmap(env.reset, in_axes=(None, 0)))(params, jax.random.split(key, num_envs))
    timestep, _ = jax.block_until_ready(run(timestep, key))

    def stretch() -> float:
        began = time.process_time()
        jax.block_until_ready(run(timestep, key))
        return count * num_envs / (time.process_time() - began)

    return stretch


PEERS = {"farama": farama, "envpool": envpool, "navix": navix, "xland-minigrid": xland}


def compare(env_id: str, num_envs: int, turns: int, peers: list[str]) -> None:
    """Times all engines in turns on one task and prints a line for each."""
    stretches: dict[str, Stretch] = {"ours": ours(env_id, num_envs)}
    print(f"{env_id}, {num_envs} environments")
    for peer in peers:
        try:
            stretches[peer] = PEERS[peer](env_id, num_envs)
        except NotHere as reason:
            print(f"  {peer:15s} {reason}")
    speeds: dict[str, list[float]] = {name: [] for name in stretches}
    for stretch in stretches.values():
        stretch()  # the first stretch warms caches
    for _ in range(turns):
        for name, stretch in stretches.items():
            speeds[name].append(stretch())
    for name, values in speeds.items():
        ratios = [mine / theirs for mine, theirs in zip(speeds["ours"], values, strict=True)]
        median, ratio = statistics.median(values), statistics.median(ratios)
        print(
            f"  {name:15s} {median:12,.0f} steps/CPU s   ours is {ratio:6.1f} x "
            f" ({min(ratios):.1f} to {max(ratios):.1f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of the gridworld engine beside its peers")
    parser.add_argument("--ids", nargs="*", default=DEFAULT_IDS)
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    options = parser.parse_args()
    for env_id in options.ids:
        compare(env_id, options.envs, options.turns, options.peers)


if __name__ == "__main__":
    main()
