"""The arrays of a packed forest: what is stored, what is derived from it, and what makes it valid.

All trees of all models lie in one table, level by level: first every root in tree order, then every
node one split away from a root, and so on. Siblings are neighbours, left before right. In this order
the children of the k-th split are the nodes `n_trees + 2 k` and `n_trees + 2 k + 1`, so child indices
are derived, never stored: a file, however twisted, can not describe a cycle or a child out of range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH = 64
"""Splits on the longest path. The published size needs 4; 64 leaves never-limited trees of 64 leaves room."""
MAX_NODES = 1 << 24
"""Nodes of one forest: 60 times the published size, and 400 MB of working arrays at the most."""
MAX_FEATURES = 10_000
MAX_MODELS = 1_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


class ForestError(ValueError):
    """A dump, a file or an input row that the packed forest can not answer for."""


@dataclass(frozen=True, slots=True, eq=False)
class ForestArrays:
    """What a forest file holds; checked on creation, read-only afterwards.

    `models` (m names) and `trees_per_model` (m counts) say whose trees the roots are, in order.
    `pair_feature` int32 (p,) and `pair_threshold` float64 (p,) are the distinct comparisons
    `x[feature] <= threshold`, sorted. `node_pair` int32 (nodes,) names the comparison of each node,
    or p for a leaf. `leaf_value` float64 (leaves,) holds the value of each leaf, in node order.

    Raises ForestError when any of it is inconsistent.
    """

    n_features: int
    models: tuple[str, ...]
    trees_per_model: tuple[int, ...]
    pair_feature: NDArray[np.int32]
    pair_threshold: NDArray[np.float64]
    node_pair: NDArray[np.int32]
    leaf_value: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_header(self.n_features, self.models, self.trees_per_model)
        for name, dtype in (
            ("pair_feature", np.int32),
            ("pair_threshold", np.float64),
            ("node_pair", np.int32),
            ("leaf_value", np.float64),
        ):
            array = getattr(self, name)
            if array.ndim != 1 or array.dtype != dtype or not array.flags.c_contiguous:
                raise ForestError(
                    f"Expected {name} as a contiguous vector of {np.dtype(dtype).name}, found shape "
                    f"{array.shape} of {array.dtype}; pack the forest again from its boosters."
                )
            array.setflags(write=False)
        self._check_pairs()
        self._check_nodes()
        self.depth()

    @property
    def n_trees(self) -> int:
        """Trees of all models together; the nodes 0 to n_trees - 1 are their roots."""
        return sum(self.trees_per_model)

    def is_split(self) -> NDArray[np.bool_]:
        """Which nodes compare and have two children, shape (nodes,)."""
        return self.node_pair < len(self.pair_feature)

    def children(self) -> NDArray[np.int64]:
        """The left child of every split (the right one follows it); a leaf is its own child."""
        split = self.is_split()
        child = np.arange(len(split), dtype=np.int64)
        child[split] = self.n_trees + 2 * np.arange(int(split.sum()), dtype=np.int64)
        return child

    def values(self) -> NDArray[np.float64]:
        """The leaf value of every node, zero at splits, shape (nodes,)."""
        value = np.zeros(len(self.node_pair))
        value[~self.is_split()] = self.leaf_value
        return value

    def depth(self) -> int:
        """Splits on the longest path from a root; raises ForestError if the levels do not add up."""
        splits_before = np.concatenate(([0], np.cumsum(self.is_split())))
        start, stop, depth = 0, self.n_trees, 0
        while splits := int(splits_before[stop] - splits_before[start]):
            start, stop, depth = stop, stop + 2 * splits, depth + 1
            if depth > MAX_DEPTH or stop > len(self.node_pair):
                break
        if depth > MAX_DEPTH or stop != len(self.node_pair):
            raise ForestError(
                f"Expected {len(self.node_pair)} nodes to form whole trees of at most {MAX_DEPTH} levels, "
                f"found level {depth} ending at node {stop}; pack the forest again from its boosters."
            )
        return depth

    def _check_pairs(self) -> None:
        feature, threshold = self.pair_feature, self.pair_threshold
        if len(feature) != len(threshold):
            raise ForestError(
                f"Expected as many pair features as thresholds, found {len(feature)} and {len(threshold)}; "
                "pack the forest again from its boosters."
            )
        if len(feature) and (feature.min() < 0 or feature.max() >= self.n_features):
            raise ForestError(
                f"Expected pair features in 0..{self.n_features - 1}, found {feature.min()}..{feature.max()}"
                "; pack the forest again from its boosters."
            )
        if not np.isfinite(threshold).all():
            raise ForestError(
                "Expected finite thresholds, found NaN or infinity; pack the forest again from its boosters."
            )
        ascending = (feature[1:] > feature[:-1]) | (
            (feature[1:] == feature[:-1]) & (threshold[1:] > threshold[:-1])
        )
        if not ascending.all():
            raise ForestError(
                "Expected distinct (feature, threshold) pairs in ascending order, found pair "
                f"{int(np.argmin(ascending)) + 1} out of order; pack the forest again from its boosters."
            )

    def _check_nodes(self) -> None:
        pair = self.node_pair
        if len(pair) > MAX_NODES or len(pair) < self.n_trees:
            raise ForestError(
                f"Expected between {self.n_trees} nodes (one root per tree) and {MAX_NODES}, "
                f"found {len(pair)}; pack the forest again from its boosters."
            )
        if len(pair) and (pair.min() < 0 or pair.max() > len(self.pair_feature)):
            raise ForestError(
                f"Expected node pairs in 0..{len(self.pair_feature)}, found {pair.min()}..{pair.max()}; "
                "pack the forest again from its boosters."
            )
        leaves = len(pair) - int(self.is_split().sum())
        if len(self.leaf_value) != leaves:
            raise ForestError(
                f"Expected {leaves} leaf values, one per leaf, found {len(self.leaf_value)}; "
                "pack the forest again from its boosters."
            )
        if not np.isfinite(self.leaf_value).all():
            raise ForestError(
                "Expected finite leaf values, found NaN or infinity; pack the forest again from its boosters."
            )


def _check_header(n_features: int, models: tuple[str, ...], trees_per_model: tuple[int, ...]) -> None:
    if not 1 <= n_features <= MAX_FEATURES:
        raise ForestError(
            f"Expected 1 to {MAX_FEATURES} features, found {n_features}; check the feature spec."
        )
    if not 1 <= len(models) <= MAX_MODELS:
        raise ForestError(
            f"Expected 1 to {MAX_MODELS} models, found {len(models)}; pack at least one booster."
        )
    for name in models:
        if not _NAME.fullmatch(name):
            raise ForestError(
                f"Expected a model name of at most 64 letters, digits, '_', '.' or '-', found {name!r}; "
                "rename it."
            )
    if len(set(models)) != len(models):
        raise ForestError(f"Expected distinct model names, found {', '.join(models)}; rename the twins.")
    if len(trees_per_model) != len(models) or any(count < 0 for count in trees_per_model):
        raise ForestError(
            f"Expected one tree count >= 0 for each of {len(models)} models, found {list(trees_per_model)}; "
            "pack the forest again from its boosters."
        )
