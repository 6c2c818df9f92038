"""The threshold at which a channel keeps to its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift import DetectorSpec
from contracts.model.grid import BAR_SECONDS
from offline.drift.paths import alarms

Array = NDArray[np.float64]

YEAR_BARS = round(365.25 * 86_400 / BAR_SECONDS)
GRID = 28
SPAN = 150.0
"""The grid's last threshold over its first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A threshold, and the reports per symbol and year it was seen to make on the streams it came from."""

    threshold: float
    per_year: float


def find_threshold(
    inputs: Array, specs: Sequence[DetectorSpec], lowest: float, budget: float, quiet_bars: int
) -> Found:
    """The least threshold whose reports on `inputs` (bars, streams, detectors) keep to `budget` a year.

    `lowest` begins the grid; between its points the logarithm of the rate is taken as linear.
    """
    grid = np.geomspace(lowest, SPAN * lowest, GRID)
    years = inputs.shape[0] * inputs.shape[1] / YEAR_BARS
    per_year = alarms(inputs, specs, grid, quiet_bars).sum(axis=0) / years
    within = np.flatnonzero(per_year <= budget)
    if not len(within):
        return Found(float(grid[-1]), float(per_year[-1]))
    at = int(within[0])
    if at == 0 or per_year[at] <= 0:
        return Found(float(grid[at]), float(per_year[at]))
    above, below = np.log(per_year[at - 1]), np.log(per_year[at])
    share = (above - np.log(budget)) / (above - below)
    threshold = float(np.exp(np.log(grid[at - 1]) + share * (np.log(grid[at]) - np.log(grid[at - 1]))))
    exact = alarms(inputs, specs, np.array([threshold]), quiet_bars).sum() / years
    return Found(threshold, float(exact))


def rate_in_order(
    series: Sequence[Array], specs: Sequence[DetectorSpec], threshold: float, quiet_bars: int
) -> float:
    """Reports per symbol and year over each symbol's own (n, detectors), in the order they came."""
    reports = sum(
        float(alarms(one[:, None, :], specs, np.array([threshold]), quiet_bars).sum()) for one in series
    )
    return reports * YEAR_BARS / sum(map(len, series))
