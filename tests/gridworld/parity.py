"""Lock-step runs of the engine against Farama's minigrid: everything must be equal at every step.

Compared after every step: image, direction, mission, reward, terminated, truncated, the full grid with box contents,
agent, carried object, step count, and the true last observation of finished episodes. At every automatic reset also
the random stream.

    python -m tests.gridworld.parity --steps 1000000            all ids
    python -m tests.gridworld.parity --ids DoorKey-8x8 --seeds 100 --steps 5000 --players busy
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardlab.gridworld import env_ids, make_vec
from rewardlab.gridworld.reference import encode, make_reference, read_cells
from tests.gridworld.players import make_player


@dataclass
class Outcome:
    """What a lock-step run saw.

    Attributes:
        steps: environment steps compared.
        episodes: finished episodes.
        successes: episodes that ended with a positive reward.
        seen: how often actions changed something, by kind of change.
        differences: one line each; empty is parity.
    """

    steps: int = 0
    episodes: int = 0
    successes: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1


def stream_of(env: Any) -> list[int]:
    """The random stream of one of Farama's environments, as the engine stores it."""
    state = env.np_random.bit_generator.state
    number, step = state["state"]["state"], state["state"]["inc"]
    low = 2**64 - 1
    half = state["uinteger"] if state["has_uint32"] else None
    return [number >> 64, number & low, step >> 64, step & low, state["has_uint32"], half]


def _same_stream(engine: np.ndarray, env: Any) -> bool:
    mine, theirs = [int(word) for word in engine], stream_of(env)
    return mine[:5] == theirs[:5] and (theirs[5] is None or mine[5] == theirs[5])


def _compare_observation(theirs: dict[str, Any], image: Any, direction: Any, mission: str) -> list[str]:
    wrong = []
    if not np.array_equal(theirs["image"], image):
        wrong.append("image")
    if int(theirs["direction"]) != int(direction):
        wrong.append("direction")
    if theirs["mission"] != mission:
        wrong.append(f"mission {theirs['mission']!r} != {mission!r}")
    return wrong


def _compare_state(env: Any, state: dict[str, np.ndarray], i: int) -> list[str]:
    wrong = []
    cells, carried = read_cells(env), encode(env.carrying) if env.carrying is not None else (0, 0, 0, 0)
    if env.step_count == 0 and getattr(env, "start_carrying", False):
        # Farama's first observation is made before the thing is taken up; the engine takes it up with the first action.
        x, y = env.carrying.init_pos
        cells[y, x], carried = carried, (0, 0, 0, 0)
    if not np.array_equal(cells, state["cells"][i]):
        wrong.append("grid")
    if [*(int(v) for v in env.agent_pos), int(env.agent_dir)] != state["agent"][i].tolist():
        wrong.append("agent")
    if tuple(state["carried"][i].tolist()) != carried:
        wrong.append("carried")
    if env.step_count != state["steps"][i]:
        wrong.append("steps")
    return wrong


def lockstep(env_id: str, seeds: list[int], steps: int, players: str = "mixed", player_seed: int = 0) -> Outcome:
    """Runs one environment per seed for a number of steps each, and compares all there is to compare.

    Args:
        env_id: any id that the engine covers.
        seeds: one environment each.
        steps: steps per environment, automatic resets included.
        players: "random", "busy", or "mixed" (every second environment).
        player_seed: seed of the actions.
    """
    outcome = Outcome()
    envs = make_vec(env_id, len(seeds))
    references = [make_reference(env_id) for _ in seeds]
    kinds = [players if players != "mixed" else ("busy", "random")[k % 2] for k in range(len(seeds))]
    num_actions = int(envs.single_action_space.n)
    rngs = [np.random.default_rng([player_seed, seed]) for seed in seeds]
    hands = [make_player(kind, num_actions, rng) for kind, rng in zip(kinds, rngs, strict=True)]

    mine, _ = envs.reset(seed=seeds)
    state = envs.get_state()
    for i, (env, seed) in enumerate(zip(references, seeds, strict=True)):
        theirs, _ = env.reset(seed=seed)
        wrong = _compare_observation(theirs, mine["image"][i], mine["direction"][i], mine["mission"][i])
        wrong += _compare_state(env, state, i)
        wrong += [] if _same_stream(state["streams"][i], env) else ["stream"]
        outcome.differences += [f"{env_id} seed {seed} reset: {what}" for what in wrong]
    for step in range(steps):
        actions = np.array([hand.action(env) for hand, env in zip(hands, references, strict=True)])
        mine, rewards, terminated, truncated, infos = envs.step(actions)
        state = envs.get_state()
        for i, env in enumerate(references):
            held, ahead = env.carrying, tuple(int(v) for v in env.front_pos)
            faced = env.grid.get(*ahead)
            shown = encode(faced)
            theirs, reward, ended, cut, _ = env.step(int(actions[i]))
            wrong = []
            if float(reward) != rewards[i]:
                wrong.append(f"reward {reward} != {rewards[i]}")
            if ended != terminated[i] or cut != truncated[i]:
                wrong.append(f"end {ended, cut} != {bool(terminated[i]), bool(truncated[i])}")
            if env.carrying is not held:
                outcome.note("drop" if env.carrying is None else "pickup")
            elif encode(env.grid.get(*ahead)) != shown and faced is not None and faced.type in ("door", "box"):
                outcome.note({"door": {0: "shut", 1: "open", 2: "unlock"}[shown[2]], "box": "unbox"}[faced.type])
            if ended or cut:
                outcome.episodes += 1
                outcome.successes += reward > 0
                outcome.note("success" if reward > 0 else "death" if ended else "limit")
                final = infos["final_obs"][i] if "final_obs" in infos else None
                if final is None:
                    wrong.append("no final observation")
                else:
                    wrong += [
                        f"final {what}"
                        for what in _compare_observation(theirs, final["image"], final["direction"], final["mission"])
                    ]
                theirs, _ = env.reset()
                if not _same_stream(state["streams"][i], env):
                    wrong.append("stream")
            wrong += _compare_observation(theirs, mine["image"][i], mine["direction"][i], mine["mission"][i])
            wrong += _compare_state(env, state, i)
            outcome.steps += 1
            outcome.differences += [f"{env_id} seed {seeds[i]} step {step}: {what}" for what in wrong]
        if len(outcome.differences) > 20:
            break
    return outcome


def compare_levels(env_id: str, seeds: Iterable[int]) -> list[str]:
    """Draws one level per seed on both sides and compares them; one line per difference."""
    numbers = list(seeds)
    envs, env = make_vec(env_id, len(numbers)), make_reference(env_id)
    mine, _ = envs.reset(seed=numbers)
    state = envs.get_state()
    wrong = []
    for i, seed in enumerate(numbers):
        theirs, _ = env.reset(seed=seed)
        found = _compare_observation(theirs, mine["image"][i], mine["direction"][i], mine["mission"][i])
        found += _compare_state(env, state, i)
        found += [] if _same_stream(state["streams"][i], env) else ["stream"]
        wrong += [f"{env_id} level {seed}: {what}" for what in found]
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 1 when anything differs."""
    parser = argparse.ArgumentParser(description="lock-step comparison of the engine with Farama's minigrid")
    parser.add_argument("--ids", nargs="*", default=None, help="environment ids, or parts of them (default: all)")
    parser.add_argument("--steps", type=int, default=100_000, help="steps over all ids together")
    parser.add_argument("--seeds", type=int, default=16, help="environments per id")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--levels", type=int, default=0, help="also compare this many levels per id, by seed")
    parser.add_argument("--players", choices=("mixed", "busy", "random"), default="mixed")
    options = parser.parse_args(arguments)
    chosen = [one for one in env_ids() if options.ids is None or any(part in one for part in options.ids)]
    if not chosen:
        print(f"no id matches {options.ids}", file=sys.stderr)
        return 2
    per_env = max(1, -(-options.steps // (len(chosen) * options.seeds)))
    seeds = list(range(options.first_seed, options.first_seed + options.seeds))
    total, wrong, began = 0, 0, time.perf_counter()
    for env_id in chosen:
        outcome = lockstep(env_id, seeds, per_env, options.players, options.first_seed)
        outcome.differences += compare_levels(env_id, range(10_000, 10_000 + options.levels)) if options.levels else []
        total, wrong = total + outcome.steps, wrong + len(outcome.differences)
        seen = " ".join(f"{name}={count}" for name, count in sorted(outcome.seen.items()))
        print(f"{env_id:44s} steps={outcome.steps} differences={len(outcome.differences)} {seen}", flush=True)
        for line in outcome.differences[:5]:
            print(f"    {line}")
    print(f"{len(chosen)} ids, {total} steps, {wrong} differences, {time.perf_counter() - began:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
