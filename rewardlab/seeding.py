"""Every random stream, named, from one integer seed.

Streams are spawned with numpy's SeedSequence: seeds of neighbouring runs share nothing, which `seed + i`
would not give (adjacent run seeds would share nearly all their levels).
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch

from rewardlab.types import State

EVALUATION_SEED = 20_190_601  # one fixed list of evaluation levels for every scheme and run seed


def sequence(seed: int, stream: str) -> np.random.SeedSequence:
    """The seed sequence of a named stream of a run."""
    return np.random.SeedSequence([seed, zlib.crc32(stream.encode())])


def env_seeds(seed: int, stream: str, count: int) -> list[int]:
    """One 32-bit seed for each of `count` environments."""
    return [int(word) for word in sequence(seed, stream).generate_state(count)]


def evaluation_seeds(episodes: int) -> list[int]:
    """The level seeds of evaluation: a prefix of one list, whatever the run."""
    return env_seeds(EVALUATION_SEED, "evaluation_levels", episodes)


def numpy_rng(seed: int, stream: str) -> np.random.Generator:
    return np.random.default_rng(sequence(seed, stream))


def torch_rng(seed: int, stream: str) -> torch.Generator:
    """A generator on the CPU whatever the device: a run may go on elsewhere with the same numbers."""
    generator = torch.Generator()
    generator.manual_seed(int(sequence(seed, stream).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def generator_state(rng: np.random.Generator) -> State:
    """The state of one of our numpy generators (PCG64); its 128-bit integers as text, for checkpoints."""
    state = rng.bit_generator.state
    return {
        "state": {name: str(word) for name, word in state["state"].items()},
        "has_uint32": int(state["has_uint32"]),
        "uinteger": int(state["uinteger"]),
    }


def set_generator_state(rng: np.random.Generator, state: State) -> None:
    """Restore what `generator_state` returned."""
    words = {name: int(word) for name, word in state["state"].items()}
    rng.bit_generator.state = {"bit_generator": "PCG64", **state, "state": words}


def stream_words(rng: np.random.Generator) -> list[int]:
    """The state of one of our numpy generators as the six 64-bit words of `gridworld.streams`."""
    state = rng.bit_generator.state
    halves = [half for word in state["state"].values() for half in divmod(word, 2**64)]
    return [*halves, int(state["has_uint32"]), int(state["uinteger"])]


def set_stream_words(rng: np.random.Generator, words: Sequence[int]) -> None:
    """Restore what `stream_words` returned."""
    high, low, step_high, step_low, has_half, half = words
    whole = {"state": high << 64 | low, "inc": step_high << 64 | step_low}
    rng.bit_generator.state = {"bit_generator": "PCG64", "state": whole, "has_uint32": has_half, "uinteger": half}
