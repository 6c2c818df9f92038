"""From LightGBM's `Booster.dump_model()` to the arrays of a packed forest.

Works on the plain dictionary, so LightGBM is not imported. LightGBM prints thresholds and leaf values with
17 significant digits, which names every float64 exactly; only thresholds beyond 1e300 it cuts to 1e300.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from contracts.model._forest.arrays import MAX_DEPTH, ForestArrays, ForestError

_RELIED_ON = {
    "objective": "quantile",
    "num_class": 1,
    "num_tree_per_iteration": 1,
    "average_output": False,
}
"""What makes the raw sum of the leaves the prediction itself ('quantile sqrt', say, squares it)."""


_DUMP_CUTS_AT = 1e300


class _Node(NamedTuple):
    structure: Mapping[str, Any]
    where: str


class _Split(NamedTuple):
    feature: int
    threshold: float


def pack_dumps(dumps: Mapping[str, Mapping[str, Any]], n_features: int) -> ForestArrays:
    """The arrays of all models of `dumps` (name to `Booster.dump_model()`), in its order.

    Raises ForestError on anything but plain numerical quantile trees over `n_features` features.
    """
    roots: list[_Node] = []
    trees_per_model = []
    for name, dump in dumps.items():
        trees = _trees(name, dump, n_features)
        roots += trees
        trees_per_model.append(len(trees))

    nodes: list[_Split | None] = []  # None is a leaf
    leaf_value: list[float] = []
    level, depth = roots, 0
    while level:
        if depth > MAX_DEPTH:
            raise ForestError(
                f"Expected at most {MAX_DEPTH} splits on a path, found more at {level[0].where}; "
                "train with max_depth set."
            )
        below: list[_Node] = []
        for node in level:
            if "leaf_value" in node.structure:
                leaf_value.append(_leaf_value(node))
                nodes.append(None)
            else:
                nodes.append(_split(node, n_features))
                below += (
                    _Node(_mapping(node.structure.get(side), f"{node.where}.{side}"), node.where)
                    for side in ("left_child", "right_child")
                )
        level, depth = below, depth + 1

    pairs = sorted({node for node in nodes if node is not None})
    index = {pair: i for i, pair in enumerate(pairs)}
    return ForestArrays(
        n_features=n_features,
        models=tuple(dumps),
        trees_per_model=tuple(trees_per_model),
        pair_feature=np.array([pair.feature for pair in pairs], dtype=np.int32),
        pair_threshold=np.array([pair.threshold for pair in pairs], dtype=np.float64),
        node_pair=np.array([len(pairs) if node is None else index[node] for node in nodes], dtype=np.int32),
        leaf_value=np.array(leaf_value, dtype=np.float64),
    )


def _trees(name: str, dump: Mapping[str, Any], n_features: int) -> list[_Node]:
    for key, expected in _RELIED_ON.items():
        if dump.get(key) != expected:
            raise ForestError(
                f"Expected {key} {expected!r}, found {dump.get(key)!r} in model {name}; "
                "train with objective='quantile' and neither reg_sqrt nor boosting='rf'."
            )
    if dump.get("max_feature_idx") != n_features - 1:
        raise ForestError(
            f"Expected max_feature_idx {n_features - 1} for {n_features} features, found "
            f"{dump.get('max_feature_idx')!r} in model {name}; pack it with the spec it was trained on."
        )
    trees = dump.get("tree_info")
    if not isinstance(trees, list):
        raise ForestError(
            f"Expected tree_info as a list of trees, found {type(trees).__name__} in model {name}; "
            "pass the dictionary of Booster.dump_model()."
        )
    roots = []
    for i, tree in enumerate(trees):
        where = f"model {name}, tree {i}"
        tree = _mapping(tree, where)
        if tree.get("num_cat") != 0:
            raise ForestError(
                f"Expected no categorical splits, found num_cat {tree.get('num_cat')!r} at {where}; "
                "train on numerical features only."
            )
        roots.append(_Node(_mapping(tree.get("tree_structure"), where), where))
    return roots


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ForestError(
            f"Expected a dictionary at {where}, found {type(value).__name__}; "
            "pass the dictionary of Booster.dump_model()."
        )
    return value


def _number(node: _Node, key: str) -> float:
    value = node.structure.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ForestError(f"Expected a finite {key}, found {value!r} at {node.where}; train the model again.")
    return float(value)


def _leaf_value(node: _Node) -> float:
    linear = sorted({"leaf_const", "leaf_coeff"} & set(node.structure))
    if linear:
        raise ForestError(
            f"Expected constant leaves, found {linear[0]} at {node.where}; train with linear_tree=false."
        )
    return _number(node, "leaf_value")


def _split(node: _Node, n_features: int) -> _Split:
    for key, expected in (("decision_type", "<="), ("missing_type", "None")):
        found = node.structure.get(key)
        if found != expected:
            raise ForestError(
                f"Expected {key} {expected!r}, found {found!r} at {node.where}; "
                "train on complete numerical features, without NaN and without zero_as_missing."
            )
    feature = node.structure.get("split_feature")
    if isinstance(feature, bool) or not isinstance(feature, int) or not 0 <= feature < n_features:
        raise ForestError(
            f"Expected split_feature in 0..{n_features - 1}, found {feature!r} at {node.where}; "
            "pack it with the spec it was trained on."
        )
    threshold = _number(node, "threshold")
    if abs(threshold) >= _DUMP_CUTS_AT:
        raise ForestError(
            f"Expected thresholds within {_DUMP_CUTS_AT:g}, where dump_model is exact, found {threshold} at "
            f"{node.where}; scale feature {feature} or clip it."
        )
    return _Split(feature, threshold + 0.0)  # -0.0 compares as 0.0 does and must not make a second pair
