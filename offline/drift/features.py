"""How far a month of features strays from training within training itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift import DriftReference, FeatureDrift
from contracts.model.drift.reference import BINS, NULL_PROBABILITIES, adjusted, decile_edges, distance
from offline.dataset import Dataset
from offline.drift.search import YEAR_BARS

Array = NDArray[np.float64]

WEEK_BARS, WEEKS = 42, 4
LEVELS = np.geomspace(0.02, 1e-10, 80)
LEAST_TAIL = 1e-3
"""Of a mean excess; a statistic over 168 rows moves in steps of six times that."""


@dataclass(frozen=True, slots=True)
class FeatureNull:
    """`quantiles` (features, 46) of the distance at `NULL_PROBABILITIES`, `tail` (features,) its excess."""

    quantiles: Array
    tail: Array


def weekly_distances(dataset: Dataset, quantiles: Array) -> list[Array]:
    """Per symbol the distance of every window of four weeks, week by week; each (weeks, features)."""
    edges = decile_edges(quantiles)
    told = []
    for number in range(len(dataset.symbols)):
        rows = dataset.rows[dataset.symbol == number]
        weeks = len(rows) // WEEK_BARS
        counts = np.zeros((weeks, rows.shape[1], BINS), np.int64)
        for feature, inner in enumerate(edges):
            bins = np.searchsorted(inner, rows[: weeks * WEEK_BARS, feature], side="right")
            flat = np.repeat(np.arange(weeks), WEEK_BARS) * BINS + bins
            counts[:, feature] = np.bincount(flat, minlength=weeks * BINS).reshape(weeks, BINS)
        total = np.cumsum(np.concatenate((np.zeros((1, *counts.shape[1:]), np.int64), counts)), axis=0)
        told.append(distance(total[WEEKS:] - total[:-WEEKS]) if weeks >= WEEKS else np.empty((0, len(edges))))
    return told


def feature_null(distances: list[Array]) -> FeatureNull:
    """The null of every feature from all windows of all symbols."""
    windows = np.concatenate(distances)
    quantiles = np.quantile(windows, NULL_PROBABILITIES, axis=0).T
    excess = np.where(windows > quantiles[:, -1], windows - quantiles[:, -1], np.nan)
    known = np.isfinite(excess)
    mean = np.where(known, excess, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return FeatureNull(np.ascontiguousarray(quantiles), np.maximum(mean, LEAST_TAIL))


def find_level(
    distances: list[Array], names: tuple[str, ...], budget: float, quiet_bars: int
) -> tuple[FeatureDrift, float]:
    """The largest false-discovery level whose reports in training keep to `budget`, and their rate.

    Each half of every symbol's weeks is judged by the null of the other halves: judged by their own, windows
    look twice as usual as the next ones will. Weeks come in their order.
    """
    halves = [[one[: len(one) // 2] for one in distances], [one[len(one) // 2 :] for one in distances]]
    least = []
    for judged, known in (halves, halves[::-1]):
        null = feature_null(known)
        reference = DriftReference(names, np.zeros((len(names), BINS - 1)), null.quantiles, null.tail)
        least += [adjusted(reference.p_values(one)).min(axis=1) for one in judged if len(one)]
    years = sum(map(len, least)) * WEEK_BARS / YEAR_BARS
    rate = 0.0
    for level in LEVELS.tolist():
        rate = sum(_reports(one <= level, quiet_bars) for one in least) / years
        if rate <= budget:
            break
    return FeatureDrift(week_bars=WEEK_BARS, weeks=WEEKS, level=level), rate


def _reports(found: NDArray[np.bool_], quiet_bars: int) -> int:
    reports, quiet_until = 0, 0
    for week in np.flatnonzero(found).tolist():
        if week * WEEK_BARS >= quiet_until:
            reports, quiet_until = reports + 1, week * WEEK_BARS + quiet_bars
    return reports
