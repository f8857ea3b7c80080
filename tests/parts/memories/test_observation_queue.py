"""The queue of observations."""

import torch

from rewardlab.parts.memories.observation_queue import ObservationQueue
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec

SPEC = EnvSpec("made up", {"vector": ObsSpec((1,), "float32")}, ActionSpec(n=2), None)


def test_the_oldest_go_first_and_what_is_drawn_is_there() -> None:
    queue = ObservationQueue(SPEC, 3)
    for part in ([1.0, 2.0], [], [3.0, 4.0]):
        queue.add({"vector": torch.tensor(part).reshape(-1, 1)})
    assert len(queue) == 3
    drawn = queue.draw(200, torch.Generator().manual_seed(0))["vector"]
    assert set(drawn.flatten().tolist()) == {2.0, 3.0, 4.0}
    queue.add({"vector": torch.arange(10.0, 20.0).reshape(-1, 1)})
    assert set(queue.draw(200, torch.Generator().manual_seed(0))["vector"].flatten().tolist()) == {17.0, 18.0, 19.0}


def test_state_round_trips() -> None:
    queue, other = ObservationQueue(SPEC, 3), ObservationQueue(SPEC, 3)
    queue.add({"vector": torch.tensor([[1.0], [2.0]])})
    other.load_state_dict(queue.state_dict())
    assert len(other) == 2 and other.state_dict()["entries"]["vector"].flatten().tolist() == [1.0, 2.0]
