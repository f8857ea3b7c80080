"""A PPO in JAX, jitted whole (environments, advantages, gradient steps), on XLand-MiniGrid and NAVIX.

    python scripts/peers/jax_ppo.py xland --size 5 --envs 256 --limit 60

The layout is PureJaxRL's (Lu et al. 2022): one scan over iterations, each a scan over steps and one over minibatches.
The network is that of `rewardlab run`: two tanh layers of 64 on the flattened view for the policy, two for the critic.
Prints one JSON line: seconds and frames until a hundred episodes in a row earn `--threshold` by MiniGrid's formula,
1 - 0.9 * length / (10 * size ** 2) on success, and frames per CPU second with start-up and compilation left out.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp

STEPS, EPOCHS, MINIBATCHES = 32, 2, 8
LEARNING_RATE, GAMMA, LAMBDA, CLIP, VALUE_COEF, ENTROPY_COEF, MAX_NORM = 2e-3, 0.99, 0.95, 0.2, 0.5, 0.01, 0.5
CHUNK = 10  # iterations in one call of the compiled function
EPISODES = 100  # at least, behind a mean


class World(NamedTuple):
    """Of one environment."""

    reset: Callable[[jax.Array], Any]
    step: Callable[[Any, jax.Array], Any]
    view: Callable[[Any], jax.Array]  # float [F]
    outcome: Callable[[Any], tuple[jax.Array, jax.Array, jax.Array]]  # reward, terminated, ended
    actions: int


def xland(size: int) -> World:
    """XLand-MiniGrid's DoorKey: walls are transparent, no seventh action."""
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, params = xminigrid.make(f"MiniGrid-DoorKey-{size}x{size}")
    params = params.replace(view_size=7, max_steps=10 * size * size)
    env = GymAutoResetWrapper(env)
    return World(
        lambda key: env.reset(params, key),
        lambda state, action: env.step(params, state, action),
        lambda state: state.observation.reshape(-1).astype(jnp.float32) / 12.0,
        lambda state: (state.reward, state.last() & (state.discount == 0.0), state.last()),
        env.num_actions(params),
    )


def navix(size: int) -> World:
    """NAVIX's DoorKey: reward 1 whenever, transparent walls, a fixed start; a reset takes a step of its own."""
    import navix as library

    env = library.make(
        f"Navix-DoorKey-{size}x{size}-v0",
        observation_fn=library.observations.symbolic_first_person,
        max_steps=10 * size * size,
    )
    return World(
        env.reset,
        env.step,
        lambda state: state.observation.reshape(-1).astype(jnp.float32) / 10.0,
        lambda state: (state.reward, state.is_termination(), state.is_done()),
        len(env.action_set),
    )


WORLDS = {"xland": xland, "navix": navix}


class Step(NamedTuple):
    """[T, N, ...]."""

    view: jax.Array
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    reward: jax.Array
    terminated: jax.Array
    ended: jax.Array
    score: jax.Array  # MiniGrid's return where an episode ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=tuple(WORLDS))
    parser.add_argument("--size", type=int, default=5)
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threshold", type=float, default=0.87)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--chunks", type=int, help="make so many calls, for the speed alone")
    given = parser.parse_args()
    print(
        json.dumps(train(given.world, given.size, given.envs, given.seed, given.threshold, given.limit, given.chunks))
    )


def train(
    world_name: str, size: int, num_envs: int, seed: int, threshold: float, limit: float, chunks: int | None
) -> dict[str, float | None]:
    """`reached` is in seconds after the call, None where the limit came first."""
    began = time.perf_counter()
    limit_steps = 10 * size * size
    world = WORLDS[world_name](size)
    reset, step, view, outcome = (jax.vmap(function) for function in world[:4])

    def iteration(carry, _):  # type: ignore[no-untyped-def]
        return _iteration(carry, step, view, outcome, limit_steps)

    run = jax.jit(lambda carry: jax.lax.scan(iteration, carry, None, length=CHUNK))
    key, reset_key, policy_key, critic_key = jax.random.split(jax.random.PRNGKey(seed), 4)
    state = jax.jit(reset)(jax.random.split(reset_key, num_envs))
    inputs = view(state).shape[-1]
    weights = (_layers(policy_key, (inputs, 64, 64, world.actions)), _layers(critic_key, (inputs, 64, 64, 1)))
    zeros = jax.tree_util.tree_map(jnp.zeros_like, weights)
    carry = (weights, zeros, zeros, jnp.zeros((), jnp.int32), state, jnp.zeros(num_envs, jnp.int32), key)

    frames, called, timed = 0, 0, 0.0
    window: list[tuple[float, float]] = []
    result: dict[str, float | None] = {"reached": None, "frames": None, "fps": None}
    while True:
        started = time.process_time()
        carry, (scores, counts) = jax.block_until_ready(run(carry))
        called += 1
        if called > 1:
            timed += time.process_time() - started
            result["fps"] = (called - 1) * CHUNK * STEPS * num_envs / timed
        for score, count in zip(scores.tolist(), counts.tolist(), strict=True):
            frames += STEPS * num_envs
            if frames <= limit_steps * num_envs:
                continue  # only the quick episodes have ended so far
            window.append((score, count))
            while sum(count for _, count in window[1:]) >= EPISODES:
                window.pop(0)
        episodes = sum(count for _, count in window)
        now = time.perf_counter() - began
        if chunks is None and episodes >= EPISODES and sum(score for score, _ in window) / episodes >= threshold:
            return result | {"reached": now, "frames": frames}
        if now > limit or called == chunks:
            return result


def _iteration(carry, step, view, outcome, limit_steps):  # type: ignore[no-untyped-def]
    """Collect, advantages, gradient steps. Returns the carry, and the sum of scores and number of episodes."""
    weights, first_moment, second_moment, updates, state, lengths, key = carry
    key, act_key, order_key = jax.random.split(key, 3)

    def act(inner, step_key):  # type: ignore[no-untyped-def]
        state, lengths = inner
        seen = view(state)
        logits, value = _apply(weights[0], seen), _apply(weights[1], seen)[:, 0]
        action = jax.random.categorical(step_key, logits)
        log_prob = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], axis=1)[:, 0]
        state = step(state, action)
        reward, terminated, ended = outcome(state)
        lengths = lengths + 1
        score = jnp.where(terminated & (reward > 0), 1.0 - 0.9 * lengths / limit_steps, 0.0)
        made = Step(seen, action, log_prob, value, reward, terminated, ended, jnp.where(ended, score, 0.0))
        return (state, jnp.where(ended, 0, lengths)), made

    (state, lengths), rollout = jax.lax.scan(act, (state, lengths), jax.random.split(act_key, STEPS))
    last_value = _apply(weights[1], view(state))[:, 0]

    def back(inner, made):  # type: ignore[no-untyped-def]
        later, next_value = inner
        # As in PureJaxRL, a truncation counts as an end.
        within = 1.0 - made.ended
        advantage = made.reward + GAMMA * next_value * within - made.value + GAMMA * LAMBDA * within * later
        return (advantage, made.value), advantage

    _, advantages = jax.lax.scan(back, (jnp.zeros_like(last_value), last_value), rollout, reverse=True)
    returns = advantages + rollout.value
    advantages = (advantages - advantages.mean()) / jnp.maximum(advantages.std(), 0.01)
    flat = jax.tree_util.tree_map(
        lambda entry: entry.reshape(-1, *entry.shape[2:]),
        (rollout.view, rollout.action, rollout.log_prob, advantages, returns),
    )

    def learn(inner, chosen):  # type: ignore[no-untyped-def]
        weights, first_moment, second_moment, updates = inner
        gradient = jax.grad(_loss)(weights, *(entry[chosen] for entry in flat))
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree_util.tree_leaves(gradient)))
        cut, updates = jnp.minimum(1.0, MAX_NORM / (norm + 1e-6)), updates + 1
        each = jax.tree_util.tree_map
        first_moment = each(lambda m, g: 0.9 * m + 0.1 * cut * g, first_moment, gradient)
        second_moment = each(lambda v, g: 0.999 * v + 0.001 * (cut * g) ** 2, second_moment, gradient)
        size, spread = LEARNING_RATE / (1 - 0.9**updates), jnp.sqrt(1 - 0.999**updates)
        weights = each(
            lambda w, m, v: w - size * m / (jnp.sqrt(v) / spread + 1e-5), weights, first_moment, second_moment
        )
        return (weights, first_moment, second_moment, updates), None

    samples = flat[1].shape[0]
    orders = [jax.random.permutation(k, samples) for k in jax.random.split(order_key, EPOCHS)]
    chosen = jnp.concatenate(orders).reshape(EPOCHS * MINIBATCHES, -1)
    learned, _ = jax.lax.scan(learn, (weights, first_moment, second_moment, updates), chosen)
    return (*learned, state, lengths, key), (rollout.score.sum(), rollout.ended.sum())


def _loss(weights, seen, action, old_log_prob, advantage, returns):  # type: ignore[no-untyped-def]
    log_probs = jax.nn.log_softmax(_apply(weights[0], seen))
    value = _apply(weights[1], seen)[:, 0]
    ratio = jnp.exp(jnp.take_along_axis(log_probs, action[:, None], axis=1)[:, 0] - old_log_prob)
    policy = -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
    entropy = -(jnp.exp(log_probs) * log_probs).sum(axis=1).mean()
    return policy + VALUE_COEF * ((value - returns) ** 2).mean() - ENTROPY_COEF * entropy


def _layers(key, widths):  # type: ignore[no-untyped-def]
    """Orthogonal, gain 5/3, the last 0.01; zero biases."""
    layers = []
    for index, layer_key in enumerate(jax.random.split(key, len(widths) - 1)):
        gain = 0.01 if index == len(widths) - 2 else 5.0 / 3.0
        shape = (widths[index], widths[index + 1])
        layers.append((jax.nn.initializers.orthogonal(gain)(layer_key, shape), jnp.zeros(shape[1])))
    return layers


def _apply(layers, inputs):  # type: ignore[no-untyped-def]
    for weight, bias in layers[:-1]:
        inputs = jnp.tanh(inputs @ weight + bias)
    return inputs @ layers[-1][0] + layers[-1][1]


if __name__ == "__main__":
    main()
