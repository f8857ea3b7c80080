"""How far apart two rewards are, once what does not matter to the best policies is taken out of both.

Rewards are float64 [S, A, S], of (s, a, s'), and `chance` [S, A, S] is where actions lead; its rows sum to 1, so states
in which episodes end are absorbing, and pay 0. Discounts are below 1: only there is a constant shaping.

A canonicalisation takes out potential shaping, gamma phi(s') - phi(s); each reward is then divided by its norm, so that
scale drops out too, and the distance is the norm of the difference: 0 to 2. The norm is that of all triples, or each
counts as its chance says, so that impossible ones count nothing.

| name | a reward becomes |
|---|---|
| none | itself |
| val | the mean over s' of R + gamma V(s') - V(s), V the values of random play: what s' alone tells drops out too |
| val_potential | R + gamma V(s') - V(s) |
| epic | R + gamma m(s') - m(s) - gamma mean(m), m(s) the mean over uniform actions and successors |
| dard | R + gamma e(s') - e(s) - gamma E R(S', A, S''), e(s) the mean over uniform actions, S' and S'' where A leads |
| minimal | R + gamma phi(s') - phi(s) of the least norm |

EPIC as its paper has it, sqrt((1 - rho) / 2) with rho Pearson's, is half of the distance of `epic`.

Papers: Skalse et al. 2024, STARC (arXiv:2309.15257); Gleave et al. 2021, EPIC (arXiv:2006.13900); Wulfe et al. 2022,
DARD (arXiv:2201.10081)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rewardlab.maths.tables import action_values, best_actions
from rewardlab.types import Array, Mdp


def absorbing(reward: Array, ends: Array) -> Array:
    """The reward with 0 for whatever follows on the states at an end, bool [S]."""
    found: Array = np.where(ends[:, None, None], 0.0, reward)
    return found


def expected(reward: Array, chance: Array) -> Array:
    """[S, A]: what an action is paid on average."""
    return np.asarray(np.einsum("sat,sat->sa", chance, reward))


def shaped(reward: Array, potential: Array, gamma: float) -> Array:
    """R + gamma phi(s') - phi(s), phi [S]."""
    found: Array = reward + gamma * potential[None, None, :] - potential[:, None, None]
    return found


def distance(first: Array, second: Array, chance: Array | None = None) -> float:
    """Norm of the difference of two canonical rewards at norm 1; one that is 0 stays so. `chance`: weights of the norm.

    What is within rounding of 0 beside the entries of the other is no 0: give `canonical` rewards.
    """
    weight = np.ones_like(first) if chance is None else chance
    sizes = [float(np.sqrt((weight * each**2).sum())) for each in (first, second)]
    units = [each / size if size > 0 else each for each, size in zip((first, second), sizes, strict=True)]
    return float(np.sqrt((weight * (units[0] - units[1]) ** 2).sum()))


def canonical(name: str, reward: Array, chance: Array, gamma: float, weighted: bool = False) -> Array:
    """One of `CANONICAL`, [S, A, S]; what is left of a reward that is nothing but shaping is exactly 0.

    Args:
        weighted: of `minimal`, whether the norm that is least is the weighted one.
    """
    found = CANONICAL[name](reward, chance, gamma, weighted)
    largest = float(np.abs(reward).max())
    return found if np.abs(found).max() > _ROUNDING * largest / (1.0 - gamma) else np.zeros_like(found)


_ROUNDING = 1e-12  # relative to the largest values that the reward can have


def _none(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    return reward


def _val(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    mean = expected(_val_potential(reward, chance, gamma, weighted), chance)
    return np.broadcast_to(mean[:, :, None], reward.shape)


def _val_potential(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    return shaped(reward, _uniform_values(reward, chance, gamma), gamma)


def _epic(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    mean = reward.mean(axis=(1, 2))
    found: Array = shaped(reward, mean, gamma) - gamma * mean.mean()
    return found


def _dard(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    after = np.zeros((len(reward), len(reward)))
    for action in range(reward.shape[1]):  # the same in both states, as in DARD's definition
        moves = chance[:, action]
        after += moves @ reward[:, action] @ moves.T / reward.shape[1]
    found: Array = shaped(reward, expected(reward, chance).mean(axis=1), gamma) - gamma * after[:, None, :]
    return found


def _minimal(reward: Array, chance: Array, gamma: float, weighted: bool) -> Array:
    """By the normal equations of least squares over phi: of each triple, gamma at s' and -1 at s."""
    weight = chance if weighted else np.ones_like(chance)
    between = weight.sum(axis=1)  # [s, s']
    normal = np.diag(between.sum(axis=1) + gamma**2 * between.sum(axis=0)) - gamma * (between + between.T)
    drawn = weight * reward
    right = drawn.sum(axis=(1, 2)) - gamma * drawn.sum(axis=(0, 1))
    return shaped(reward, np.linalg.lstsq(normal, right, rcond=None)[0], gamma)


CANONICAL: dict[str, Callable[[Array, Array, float, bool], Array]] = {
    "none": _none,
    "val": _val,
    "val_potential": _val_potential,
    "epic": _epic,
    "dard": _dard,
    "minimal": _minimal,
}


def _uniform_values(reward: Array, chance: Array, gamma: float) -> Array:
    states, actions = reward.shape[:2]
    uniform = np.full((states, actions), 1.0 / actions)
    table = Mdp(chance, np.zeros((states, actions)), np.zeros(states))
    return np.asarray(action_values(table, expected(reward, chance), uniform, gamma).mean(axis=1))


def regret(first: Array, second: Array, mdp: Mdp, gamma: float) -> float:
    """What the policy that is best for the second reward loses of the first, as a share of what can be lost: 0 to 1.

    Among actions that are equally good it draws. 0 where all policies are worth the same.
    """
    paid, other = (expected(reward, mdp.chance) for reward in (first, second))
    chosen = best_actions(mdp, other, gamma)[1].astype(np.float64)
    chosen /= chosen.sum(axis=1, keepdims=True)
    best = mdp.start @ best_actions(mdp, paid, gamma)[0].max(axis=1)
    worst = -(mdp.start @ best_actions(mdp, -paid, gamma)[0].max(axis=1))
    got = mdp.start @ (chosen * action_values(mdp, paid, chosen, gamma)).sum(axis=1)
    return float((best - got) / (best - worst)) if best - worst > 1e-12 * max(1.0, abs(best), abs(worst)) else 0.0
