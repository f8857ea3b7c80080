"""Names for the kinds of data that travel between all modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
Obs = dict[str, Array]
TensorObs = dict[str, torch.Tensor]
State = dict[str, Any]  # only dict, list, tensor, int, float, str, bool, None: loads with weights_only=True
Metrics = dict[str, float]
TensorMetrics = dict[str, torch.Tensor]
GoalOutcome = Callable[[Array, Array], tuple[Array, Array]]
