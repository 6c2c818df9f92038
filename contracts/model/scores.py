"""Scores of quantile bands, one value per row, so that a bootstrap can resample them.

`y` are realised log returns of shape (n,), `q` quantiles of shape (n, levels) at increasing `levels`.
A row whose `y` or `q` is NaN scores NaN: it has no label or no band, and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.grid import INTERVALS, LEVELS

Array = NDArray[np.float64]


def pinball(y: ArrayLike, q: ArrayLike, levels: Sequence[float] = LEVELS) -> Array:
    """Pinball loss per row and level, shape (n, levels), in log-return units.

    Koenker & Bassett (1978), Econometrica 46(1). Its mean over rows and the five levels is the
    project's headline loss. Raises `ValueError` when the shapes do not fit.

    >>> pinball([0.1, -0.1], [[0.0, 0.2], [0.0, 0.2]], levels=[0.25, 0.75]).round(3)
    array([[0.025, 0.025],
           [0.075, 0.075]])
    """
    outcome, quantiles = _checked(y, q, len(levels))
    error = outcome[:, None] - quantiles
    loss: Array = error * (np.asarray(levels) - (error < 0))
    return loss


def hits(y: ArrayLike, q: ArrayLike, coverage: float = 0.90) -> Array:
    """1 where the outcome lies in the central interval, ends included, else 0; shape (n,).

    `coverage` is 0.90 or 0.50. The mean is the interval's empirical coverage.

    >>> hits([0.0, 0.3], [[-0.2, -0.1, 0.0, 0.1, 0.2]] * 2)
    array([1., 0.])
    """
    outcome, quantiles = _checked(y, q, len(LEVELS))
    low, high = _interval(quantiles, coverage)
    return _where_known(outcome, quantiles, (low <= outcome) & (outcome <= high))


def width(q: ArrayLike, coverage: float = 0.90) -> Array:
    """Width of the central interval in log-return units, shape (n,); negative where its ends cross."""
    low, high = _interval(np.asarray(q, dtype=np.float64), coverage)
    answer: Array = high - low
    return answer


def winkler(y: ArrayLike, q: ArrayLike, coverage: float = 0.90) -> Array:
    """Winkler (interval) score of the central interval in log-return units, shape (n,); lower is better.

    Width, plus 2/alpha for each unit the outcome lies outside, alpha = 1 - coverage: Gneiting & Raftery
    (2007), J. Amer. Statist. Assoc. 102(477), eq. 43. It rewards narrow bands and punishes broken ones.

    >>> winkler([0.0, 0.3], [[-0.2, -0.1, 0.0, 0.1, 0.2]] * 2).round(3)
    array([0.4, 2.4])
    """
    outcome, quantiles = _checked(y, q, len(LEVELS))
    low, high = _interval(quantiles, coverage)
    outside = np.maximum(low - outcome, 0.0) + np.maximum(outcome - high, 0.0)
    score: Array = high - low + 2.0 / (1.0 - coverage) * outside
    return score


def calibration_error(y: ArrayLike, q: ArrayLike, levels: Sequence[float] = LEVELS) -> float:
    """Mean over levels of |share of outcomes at or below the quantile - level|; NaN without a full row.

    >>> round(calibration_error([-1.0, 1.0], [[0.0], [0.0]], levels=[0.25]), 3)
    0.25
    """
    outcome, quantiles = _checked(y, q, len(levels))
    known = np.isfinite(outcome) & np.isfinite(quantiles).all(axis=1)
    if not known.any():
        return float("nan")
    share = (outcome[known, None] <= quantiles[known]).mean(axis=0)
    return float(np.abs(share - np.asarray(levels)).mean())


def pit(y: ArrayLike, q: ArrayLike, levels: Sequence[float] = LEVELS) -> Array:
    """Rank of each outcome in its predicted distribution (PIT), shape (n,), in [0, 1].

    Between two quantiles the distribution function is linear. Beyond the outer ones it goes on as an
    exponential tail whose density continues that of the outer interval: below the first quantile q0 at
    level p0, with slope s to the second, p0 * exp((y - q0) * s / p0), and likewise above. Five quantiles
    do not say more: under the true quantiles the six shares that the levels cut are right, but the
    ranks are not uniform within them (of 20 equal bins of a normal law one holds 3 %, another 7 %), so
    test the six shares and not a finer histogram. Raises `ValueError` where quantiles decrease.

    >>> pit([0.0, 0.15, -0.2, 9.0], [[-0.2, -0.1, 0.0, 0.1, 0.2]] * 4).round(3)
    array([0.5 , 0.85, 0.05, 1.  ])
    """
    outcome, quantiles = _checked(y, q, len(levels))
    crossing = np.flatnonzero((np.diff(quantiles, axis=1) < 0).any(axis=1))
    if len(crossing):
        at = int(crossing[0])
        raise ValueError(
            f"expected quantiles that do not decrease, found {quantiles[at].tolist()} in row {at}; sort them"
        )
    knots = np.asarray(levels, dtype=np.float64)
    below = (quantiles <= outcome[:, None]).sum(axis=1)
    right = np.clip(below, 1, len(knots) - 1)
    rows = np.arange(len(outcome))
    gap = quantiles[rows, right] - quantiles[rows, right - 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = (knots[right] - knots[right - 1]) / gap
        inside = knots[right - 1] + (outcome - quantiles[rows, right - 1]) * slope
        lower = knots[0] * np.exp((outcome - quantiles[:, 0]) * slope / knots[0])
        upper = 1 - (1 - knots[-1]) * np.exp((quantiles[:, -1] - outcome) * slope / (1 - knots[-1]))
    # An outcome on the last of several equal quantiles has no slope: its rank is that quantile's level.
    upper = np.where(outcome == quantiles[:, -1], knots[-1], upper)
    rank = np.where(below == 0, lower, np.where(below == len(knots), upper, inside))
    return np.where(np.isfinite(outcome) & np.isfinite(quantiles).all(axis=1), rank, np.nan)


def absolute_error(y: ArrayLike, median: ArrayLike) -> Array:
    """|outcome - median| in log-return units, shape (n,). Its mean is the MAE of the point forecast."""
    return np.abs(np.asarray(y, dtype=np.float64) - np.asarray(median, dtype=np.float64))


def _interval(quantiles: Array, coverage: float) -> tuple[Array, Array]:
    if coverage not in INTERVALS:
        raise ValueError(f"expected a coverage of {' or '.join(map(str, INTERVALS))}, found {coverage}")
    low, high = INTERVALS[coverage]
    return quantiles[:, low], quantiles[:, high]


def _where_known(outcome: Array, quantiles: Array, value: NDArray[np.bool_]) -> Array:
    known = np.isfinite(outcome) & np.isfinite(quantiles).all(axis=1)
    return np.where(known, value.astype(np.float64), np.nan)


def _checked(y: ArrayLike, q: ArrayLike, n_levels: int) -> tuple[Array, Array]:
    outcome, quantiles = np.asarray(y, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if outcome.ndim != 1 or quantiles.shape != (len(outcome), n_levels):
        raise ValueError(
            f"expected y of shape (n,) and q of shape (n, {n_levels}), found {outcome.shape} and "
            f"{quantiles.shape}"
        )
    return outcome, quantiles
