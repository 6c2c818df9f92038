"""The frozen slow oracle of the packed forest: one walk, one tree, one row at a time, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ZERO = 1.0000000180025095e-35
"""LightGBM's kZeroThreshold (1e-35 as float32): inputs no larger than this are read as zero."""


def slow_predict(dump: Mapping[str, Any], row: Iterable[float]) -> float:
    """The prediction of one `Booster.dump_model()` for one row: leaves added in tree order from 0.0."""
    x = [0.0 if abs(value) <= ZERO else value for value in row]
    total = 0.0
    for tree in dump["tree_info"]:
        node = tree["tree_structure"]
        while "leaf_value" not in node:
            left = x[node["split_feature"]] <= node["threshold"]
            node = node["left_child" if left else "right_child"]
        total += node["leaf_value"]
    return total
