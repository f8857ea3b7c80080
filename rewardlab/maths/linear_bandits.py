"""Bandits whose arms have features: ridge regression on what was paid, and nets over sparse directions; compiled.

A row of memory, float64 [4 + D + 2 D^2], holds all that is remembered of a problem: the number of pulls, a whole number
that random numbers are made of, what the best arm of a net paid and which it is, b = Sum of x times what it paid, A = I
+ Sum x x', and its inverse.

Sources: Li et al. 2010 (LinUCB, one model for all arms); Agrawal and Goyal 2013 (Thompson sampling); Dong and Yang 2023
(sparse nets).
"""

import itertools
import math
from typing import Any

import numpy as np

from rewardlab.kernel_cache import inner, kept
from rewardlab.maths.bandits import mixed, normal
from rewardlab.types import Array

RULES = ("linucb", "lints", "sparse_net")
LINUCB, LINTS, SPARSE_NET = range(len(RULES))
_PULLS, _KEY, _BEST, _ARM, _HEAD = range(5)
_AFRESH = 500  # pulls after which the inverse is taken anew: errors of its updates add up


def row_size(features: int) -> int:
    return _HEAD + features + 2 * features * features


def net_size(features: int, sparsity: int, eps: float) -> int:
    """How many vectors `sparse_net` makes at most, before those that it has twice are left out."""
    steps = 2 * _fineness(sparsity, eps) + 1
    return math.comb(features, sparsity) * int(steps**sparsity - (steps - 2) ** sparsity)


def sparse_net(features: int, sparsity: int, eps: float) -> Array:
    """Unit vectors with `sparsity` entries that are not 0 at most, float64 [Q, D]: one lies within eps of any such.

    On each choice of entries, the points of a grid on the surface of a cube around the sphere, drawn to the sphere.
    With sparsity 1 they are the 2 D signed axes. A grid of spacing 1 / m comes within sqrt(s - 1) / (2 m) of each point
    of the surface, and what lies outside the sphere comes no farther apart when it is drawn to it.
    """
    m = _fineness(sparsity, eps)
    cube = np.array(list(itertools.product(range(-m, m + 1), repeat=sparsity)), dtype=np.float64)
    cube = cube[np.abs(cube).max(axis=1) == m]
    found = []
    for where in itertools.combinations(range(features), sparsity):
        points = np.zeros((len(cube), features))
        points[:, list(where)] = cube
        found.append(points)
    distinct = np.unique(np.concatenate(found), axis=0)
    scaled: Array = distinct / np.linalg.norm(distinct, axis=1, keepdims=True)
    return scaled


def queries(features: Array, net: Array) -> Array:
    """The arms that are best for some vector of a net, int64 [Q], each once, in the net's order.

    Args:
        features: [K, D]. net: [M, D].
    """
    best = (net @ features.T).argmax(axis=1)
    return np.asarray(best[np.sort(np.unique(best, return_index=True)[1])], dtype=np.int64)


def _fineness(sparsity: int, eps: float) -> int:
    return max(1, math.ceil(math.sqrt(sparsity - 1) / (2.0 * eps)))


def _observe(row: Any, x: Any, reward: Any) -> Any:  # pragma: no cover
    """Take in what an arm of features x [D] paid, by Sherman and Morrison's formula."""
    d = len(x)
    b, gram = row[_HEAD : _HEAD + d], row[_HEAD + d : _HEAD + d + d * d].reshape(d, d)
    inverse = row[_HEAD + d + d * d :].reshape(d, d)
    row[_PULLS] += 1.0
    b += reward * x
    for i in range(d):
        for j in range(d):
            gram[i, j] += x[i] * x[j]
    if row[_PULLS] % _AFRESH == 0.0:
        inverse[:] = np.linalg.inv(gram)
        return
    along = np.dot(inverse, x)
    shrunk = 1.0 + np.dot(x, along)
    for i in range(d):
        for j in range(d):
            inverse[i, j] -= along[i] * along[j] / shrunk


def _best_linear(row: Any, features: Any, rule: Any, alpha: Any, state: Any) -> Any:  # pragma: no cover
    """The arm of the largest theta x + alpha sqrt(x' A^-1 x); of lints of the largest theta x, theta of N(., alpha^2
    A^-1).
    """
    d = features.shape[1]
    inverse = row[_HEAD + d + d * d :].reshape(d, d)
    theta = np.dot(inverse, row[_HEAD : _HEAD + d])
    if rule == LINTS:
        drawn = np.empty(d)
        for i in range(d):
            drawn[i] = normal(state)
        theta = theta + alpha * np.dot(np.linalg.cholesky((inverse + inverse.T) / 2.0), drawn)
        return np.argmax(np.dot(features, theta))
    width = np.zeros(len(features))
    along = np.dot(features, inverse)
    for a in range(len(features)):
        for i in range(d):
            width[a] += along[a, i] * features[a, i]
    return np.argmax(np.dot(features, theta) + alpha * np.sqrt(np.maximum(width, 0.0)))


def _act(
    rows: Array,
    first: Array,
    keys: Array,
    arm: Array,
    reward: Array,
    features: Array,
    asked: Array,
    rule: int,
    alpha: float,
) -> Array:  # pragma: no cover
    """Arms to pull, int64 [N], of rows [N, ...] that are changed in place.

    Args:
        first: bool [N], where a problem begins; others take in first that `arm`, int64 [N], paid `reward`, [N].
        keys: float64 [N], whole numbers below 2^53, of those that begin.
        features: [K, D]. asked: int64 [Q], of sparse_net, the arms that it pulls first, each once.
    """
    d, state = features.shape[1], np.zeros(1, dtype=np.uint64)
    found = np.empty(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        row = rows[i]
        if first[i] or row[_HEAD + d] == 0.0:  # A begins as I: a row of zeros was never begun
            row[:] = 0.0
            row[_KEY] = keys[i]
            for j in range(d):
                row[_HEAD + d + j * d + j] = 1.0
                row[_HEAD + d + d * d + j * d + j] = 1.0
        elif rule == SPARSE_NET:
            row[_PULLS] += 1.0
            if row[_PULLS] <= len(asked) and (row[_PULLS] == 1.0 or reward[i] > row[_BEST]):
                row[_BEST], row[_ARM] = reward[i], arm[i]
        else:
            observe(row, features[arm[i]], reward[i])
        pulls = int(row[_PULLS])
        if rule == SPARSE_NET:
            found[i] = asked[pulls] if pulls < len(asked) else int(row[_ARM])
        else:
            state[0] = mixed(row[_KEY], row[_PULLS])
            found[i] = best_linear(row, features, rule, alpha, state)
    return found


observe = inner(_observe)
best_linear = inner(_best_linear)
act = kept(_act, error_model="numpy")
