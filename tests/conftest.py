"""What every test may take for granted."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from rewardlab.config import composition
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Kernels that tests of single lines on stderr need: compiling them for the first time is announced there."""
    for task, facts in (("MiniGrid-DoorKey-8x8-v0", ("state_hash",)), ("MiniGrid-Empty-5x5-v0", ())):
        env = minigrid.make(minigrid.Config(id=task), Levels(1), facts)
        env.reset([0])
        env.close()


@pytest.fixture(scope="module")
def composed_together() -> Iterator[None]:
    """Configs are put together from parts, as in a sweep; for modules in which no yaml changes between tests."""
    with composition.many():
        yield


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, int], AbstractContextManager[None]]:
    """`with fault(owner, method, call):` lets that call of the method fail, and mends it afterwards."""

    @contextmanager
    def broken(owner: type, method: str, call: int) -> Iterator[None]:
        does, calls = getattr(owner, method), []

        def stops(*arguments: Any) -> Any:
            calls.append(1)
            if len(calls) == call:
                raise RuntimeError("a fault in the middle")
            return does(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(owner, method, stops)
            yield

    return broken
