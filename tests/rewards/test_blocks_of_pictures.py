"""Bonuses on pictures that are seen in blocks are what they are when all are seen at once."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from made_up import case, rollouts

from rewardlab.maths import counting
from rewardlab.parts import both_ends
from rewardlab.types import ObsSpec

SIDE = 36


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rnd", {}),
        ("icm", {}),
        ("count", {"key": "view"}),
        ("count", {"key": "downscaled", "cell_blocks": 2}),
        ("count", {"key": "simhash"}),
        ("disagreement", {}),
        ("re3", {}),
        ("agac", {"key": "downscaled"}),
    ],
)
def test_in_blocks_and_at_once(name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    a_case = case(name, **options)
    shown = {"image": ObsSpec((SIDE, SIDE, 1), "uint8", 255)}
    a_case = replace(a_case, spec=replace(a_case.spec, id="pictures", obs=shown))
    found = []
    for numbers in (2 * SIDE * SIDE, 2**23):  # two pictures at a time, or all
        monkeypatch.setattr(both_ends, "_NUMBERS", numbers)
        monkeypatch.setattr(counting, "_AT_ONCE", numbers)
        scheme, _ = a_case.build()
        paid = []
        for rollout in rollouts(a_case, 6, 3):
            paid.append(scheme.compute(rollout).streams["intrinsic"])
            scheme.update(rollout)
        found.append(torch.cat(paid))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)
    assert found[0].isfinite().all() and found[0].abs().sum() > 0
