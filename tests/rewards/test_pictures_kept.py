"""What learned rewards remember of pictures: bytes, as they were shown."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from made_up import case, rollouts

from rewardlab.types import ObsSpec

SIDE = 40


def tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [found for part in parts for found in tensors(part)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("progress", {}),
        ("redistribution", {"method": "rrd"}),
        ("redistribution", {"method": "rudder", "start_episodes": 1000}),
        ("drs", {"stages": ["carrying > 2"]}),
    ],
)
def test_memories_keep_pictures_as_bytes(name: str, options: dict[str, Any]) -> None:
    a_case = case(name, **options)
    a_case = replace(
        a_case, spec=replace(a_case.spec, id="pictures", obs={"image": ObsSpec((SIDE, SIDE, 3), "uint8", 255)})
    )
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, 12, 12):
        scheme.compute(rollout)
        scheme.update(rollout)
    kept = [tensor for tensor in tensors(scheme.state_dict()) if tensor.shape[-3:] == (SIDE, SIDE, 3)]
    assert kept and all(tensor.dtype == torch.uint8 for tensor in kept)
    flat = [tensor for tensor in tensors(scheme.state_dict()) if tensor.shape[-1:] == (SIDE * SIDE * 3,)]
    assert not flat
