"""The state of a context's random generators as plain values, and back."""

from rewardlab.types import BuildContext, State


def random_state(context: BuildContext) -> State:
    """Both generators' states; PCG64's 128-bit integers as text."""
    numpy_state = context.numpy_rng.bit_generator.state
    return {
        "torch": context.generator.get_state(),
        "numpy": {name: str(word) for name, word in numpy_state["state"].items()},
        "numpy_spare": [int(numpy_state["has_uint32"]), int(numpy_state["uinteger"])],
    }


def load_random_state(context: BuildContext, state: State) -> None:
    context.generator.set_state(state["torch"])
    has_spare, spare = state["numpy_spare"]
    context.numpy_rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {name: int(word) for name, word in state["numpy"].items()},
        "has_uint32": has_spare,
        "uinteger": spare,
    }
