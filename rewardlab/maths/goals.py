"""Goals that are cells of a grid: where they lie, and what teacher and student are paid (Campero et al. 2021)."""

import numpy as np
import torch

from rewardlab.types import Array

AGENT = 10  # MiniGrid's number of the object; its direction stands where others have their state
_AHEAD = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # of each direction: columns go right, rows down


def agent_places(grids: Array) -> tuple[Array, Array]:
    """Cell numbers and directions of the agents, int64 [B] each.

    Args:
        grids: uint8 [B, W, H, 3]; a cell's number is column * H + row.
    """
    cells = grids.reshape(len(grids), -1, 3)
    place = (cells[:, :, 0] == AGENT).argmax(axis=1)
    return place, cells[np.arange(len(cells)), place, 2].astype(np.int64)


def offsets(grids: Array, cell: Array) -> Array:
    """How far ahead of the agent and to its right cells lie: int64 [B, 2].

    Args:
        grids: uint8 [B, W, H, 3]. cell: int64 [B].
    """
    height = grids.shape[2]
    place, direction = agent_places(grids)
    column, row = cell // height - place // height, cell % height - place % height
    ahead, right = _AHEAD[direction], _AHEAD[(direction + 1) % 4]
    return np.stack([column * ahead[:, 0] + row * ahead[:, 1], column * right[:, 0] + row * right[:, 1]], axis=1)


def changed(before: Array, after: Array, cell: Array) -> Array:
    """bool [B]: whether object, colour or state of the cells differ between two grids, uint8 [B, W, H, 3]."""
    rows = np.arange(len(cell))
    was, now = before.reshape(len(cell), -1, 3), after.reshape(len(cell), -1, 3)
    differ: Array = np.any(was[rows, cell] != now[rows, cell], axis=1)
    return differ


def goal_reward(reached: torch.Tensor, steps: torch.Tensor, max_steps: int | None, lost: float) -> torch.Tensor:
    """What the student gets, float32 [...]: 1 for reaching, less the share `lost` of it at the step limit.

    The code of the paper loses 0.9 of it, as MiniGrid's own reward does; in the paper's text it is always 1.
    """
    return reached.float() * (1.0 - lost * steps.float() / (max_steps or torch.inf))


def teacher_reward(steps: Array, reached: Array, target: float, alpha: float, beta: float) -> Array:
    """float32 [B]: alpha for goals that took `target` steps or more, -beta for easier ones and those not reached."""
    return np.where(reached & (steps >= target), alpha, -beta).astype(np.float32)


def teacher_loss(
    logits: torch.Tensor,
    value: torch.Tensor,
    cell: torch.Tensor,
    log_prob: torch.Tensor,
    reward: torch.Tensor,
    value_coef: float,
    entropy_coef: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of a policy over cells whose episodes are one goal long, and its entropy: scalars.

    V-trace with discount 0 (Espeholt et al. 2018, section 4.1): goals drawn by older weights count by the ratio of
    probabilities rho, at most 1. Policy: -rho (r - V) log pi; value: (rho (r - V))^2.

    Args:
        logits: [B, W * H]. value, reward: [B]. cell: int64 [B]. log_prob: [B], when the goals were drawn.
    """
    log_policy = torch.log_softmax(logits, dim=-1)
    chosen = log_policy.gather(1, cell[:, None]).squeeze(1)
    rho = (chosen.detach() - log_prob).exp().clamp(max=1.0)
    error = rho * (reward - value)
    entropy = -(log_policy.exp() * log_policy).sum(dim=-1).mean()
    policy_loss = -(error.detach() * chosen).mean()
    return policy_loss + value_coef * error.square().mean() - entropy_coef * entropy, entropy
