"""The state of a context's two random generators, and back."""

from rewardlab.seeding import generator_state, set_generator_state
from rewardlab.types import BuildContext, State


def random_state(context: BuildContext) -> State:
    return {"torch": context.generator.get_state(), "numpy": generator_state(context.numpy_rng)}


def load_random_state(context: BuildContext, state: State) -> None:
    context.generator.set_state(state["torch"])
    set_generator_state(context.numpy_rng, state["numpy"])
