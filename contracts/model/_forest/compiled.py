"""The packed forest's walk compiled by numba: the same arrays, the same bits, several times faster.

Import it lazily: numba is optional. The kernels have no bounds checks; `ForestArrays` has proved every
index before they run. No fastmath: leaves are added in float64 in tree order, as LightGBM does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from contracts.model._forest.arrays import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

BLOCK_ROWS = 64
"""Rows that go down a tree together: one bit each in the word that says which rows reach a node."""

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_INDEX = np.zeros(64, dtype=np.int64)
"""Position of a lone bit b, found at (b * _DE_BRUIJN) >> 58 (Leiserson, Prokop, Randall 1998)."""
for _i in range(64):
    _BIT_INDEX[((int(_DE_BRUIJN) << _i) & 0xFFFF_FFFF_FFFF_FFFF) >> 58] = _i


def _compiled(function: F) -> F:
    # Not cached on disk: an unwritable folder would turn a speed-up into a failure to start.
    return cast("F", numba.njit(nogil=True)(function))


@_compiled
def predict_row(
    x: NDArray[np.float64],
    pair_feature: NDArray[np.int32],
    pair_threshold: NDArray[np.float64],
    node_pair: NDArray[np.int32],
    node_child: NDArray[np.int32],
    node_value: NDArray[np.float64],
    tree_model: NDArray[np.int32],
    depth: int,
    out: NDArray[np.float64],
) -> None:
    """Add every tree's leaf for the row `x` (features,) to `out` (models,), in tree order."""
    n_pairs = len(pair_feature)
    right = np.zeros(n_pairs + 1, dtype=np.uint8)
    for p in range(n_pairs):
        right[p] = x[pair_feature[p]] > pair_threshold[p]
    for tree in range(len(tree_model)):
        node = np.int64(tree)
        for _ in range(depth):
            node = node_child[node] + np.int64(right[node_pair[node]])
        out[tree_model[tree]] += node_value[node]


@_compiled
def predict_rows(
    X: NDArray[np.float64],
    pair_feature: NDArray[np.int32],
    pair_threshold: NDArray[np.float64],
    node_pair: NDArray[np.int32],
    node_child: NDArray[np.int32],
    node_value: NDArray[np.float64],
    tree_model: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None:
    """Write the sum of every tree's leaf for each row of `X` (n, features) to `out` (n, models).

    A block of rows enters a tree as one word of set bits; each split parts it by one AND. Every row ends
    in one leaf of a tree before the next tree begins, so each sum still grows in tree order.
    """
    n_pairs = len(pair_feature)
    one = np.uint64(1)
    right = np.zeros(n_pairs + 1, dtype=np.uint64)
    total = np.zeros((out.shape[1], BLOCK_ROWS))
    # Every split pops one entry and pushes at most two, one level down: depth + 1 entries suffice.
    waiting_node = np.zeros(MAX_DEPTH + 2, dtype=np.int64)
    waiting_rows = np.zeros(MAX_DEPTH + 2, dtype=np.uint64)
    for start in range(0, len(X), BLOCK_ROWS):
        count = min(BLOCK_ROWS, len(X) - start)
        total[:] = 0.0
        everyone = np.uint64(0)
        for r in range(count):
            everyone |= one << np.uint64(r)
        for p in range(n_pairs):
            feature = pair_feature[p]
            threshold = pair_threshold[p]
            rows = np.uint64(0)
            for r in range(count):
                rows |= np.uint64(X[start + r, feature] > threshold) << np.uint64(r)
            right[p] = rows
        for tree in range(len(tree_model)):
            model = tree_model[tree]
            top = 1
            waiting_node[0] = tree
            waiting_rows[0] = everyone
            while top > 0:
                top -= 1
                node = waiting_node[top]
                rows = waiting_rows[top]
                child = node_child[node]
                if child == node:
                    value = node_value[node]
                    while rows != 0:
                        rest = rows & (rows - one)
                        total[model, _BIT_INDEX[((rows ^ rest) * _DE_BRUIJN) >> np.uint64(58)]] += value
                        rows = rest
                else:
                    goes_right = rows & right[node_pair[node]]
                    goes_left = rows ^ goes_right
                    if goes_right != 0:
                        waiting_node[top] = child + 1
                        waiting_rows[top] = goes_right
                        top += 1
                    if goes_left != 0:
                        waiting_node[top] = child
                        waiting_rows[top] = goes_left
                        top += 1
        for r in range(count):
            for m in range(len(total)):
                out[start + r, m] = total[m, r]
