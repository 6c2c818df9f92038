"""What is searched, and the point every search starts from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from offline.hpo.settings import TunedSettings, default_settings

SPACE: dict[str, BaseDistribution] = {
    # Down to nearly no trees: with 52 independent outcomes a year, less is often more.
    "rounds": IntDistribution(1, 600, log=True),
    "learning_rate": FloatDistribution(0.005, 0.2, log=True),
    "depth": IntDistribution(1, 5),
    "leaf_share": FloatDistribution(0.005, 0.25, log=True),
    # Compared with a leaf's number of rows: the lower end is as good as none, the upper end a leaf.
    "lambda_l2": FloatDistribution(1e-3, 1e4, log=True),
    "feature_fraction": FloatDistribution(0.2, 1.0),
    "bagging_fraction": FloatDistribution(0.4, 1.0),
}
WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
SHRINKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the correction and median shrinks: every pair is scored on the same fit."""

_DEFAULTS = default_settings()
START: dict[str, Any] = {
    "rounds": _DEFAULTS.rounds,
    "learning_rate": _DEFAULTS.learning_rate,
    "depth": _DEFAULTS.depth,
    "leaf_share": _DEFAULTS.leaf_share,
    "lambda_l2": 1e-3,
    "feature_fraction": _DEFAULTS.feature_fraction,
    "bagging_fraction": _DEFAULTS.bagging_fraction,
}
"""The first trial: the default settings, so that a search never ends far behind them."""

GRID: dict[str, tuple[Any, ...]] = {
    "rounds": (20, 80, 240),
    "depth": (1, 3, 5),
    "leaf_share": (0.02, 0.05, 0.10),
}
"""The baseline: a plain grid around the defaults, learning rate and the rest as they are."""


def grid_points() -> list[dict[str, Any]]:
    """Every point of the grid, complete, in a fixed order.

    >>> len(grid_points()), grid_points()[0]["rounds"], grid_points()[-1]["leaf_share"]
    (27, 20, 0.1)
    """
    return [START | dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def settings_at(params: Mapping[str, Any], seed: int) -> TunedSettings:
    """The settings of one point of the space."""
    return TunedSettings(**params, seed=seed)


def point_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The point of the space nearest to training settings, such as those a bundle's manifest tells.

    >>> point_of({"rounds": 60, "lambda_l2": 0.0, "seed": 7})["lambda_l2"]
    0.001
    """
    point = dict(START)
    for name, within in SPACE.items():
        if name in settings and isinstance(within, IntDistribution | FloatDistribution):
            point[name] = min(within.high, max(within.low, type(within.low)(settings[name])))
    return point


def describe_space(*, grid: bool) -> dict[str, Any]:
    """The space as a result file tells it."""
    free = {"weight": list(WEIGHTS), "median_shrink": list(SHRINKS)}
    if grid:
        return {name: list(values) for name, values in GRID.items()} | free
    ranges = {
        name: {"low": d.low, "high": d.high, "log": d.log}
        for name, d in SPACE.items()
        if isinstance(d, IntDistribution | FloatDistribution)
    }
    return ranges | free
