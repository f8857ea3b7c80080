"""What tests of loops write rewards for."""

from collections.abc import Callable

import pytest

from rewardlab.config import composition
from rewardlab.facts import GRID
from rewardlab.parts.written_state import facts_of, state_layout
from rewardlab.writing.asking import Task
from rewardlab.writing.sample import sample_of


@pytest.fixture(scope="session")
def task_of() -> Callable[..., Task]:
    """The task of some overrides on a grid."""

    def made(*overrides: str) -> Task:
        config = composition.compose([*overrides, "reward=written"]).config
        sample = sample_of(config, facts_of(True))
        layout = state_layout(sample.spec, facts_of(True), sample.before[GRID].shape[1:])
        return Task(overrides, config, "reach the goal", sample, layout)

    return made
