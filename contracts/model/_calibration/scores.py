"""Conformity scores, their finite-sample quantile, and what widening makes of a set of quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.calibrator import CalibratorError
from contracts.model.grid import INTERVALS, LEVELS, MEDIAN


def conformity_scores(quantiles: ArrayLike, y: ArrayLike, coverage: float) -> NDArray[np.float64]:
    """How far each `y` (n,) lies outside its interval of `coverage`; negative inside. Shape (n,).

    max(q_lo - y, y - q_hi), for `quantiles` (n, 5) (Romano, Patterson, Candes 2019, "Conformalized
    quantile regression"). Raises CalibratorError on a coverage that is not on the grid, on shapes that do
    not fit and on values that are not finite.

    >>> conformity_scores([[-2.0, -1.0, 0.0, 1.0, 2.0]] * 2, [2.5, -0.5], coverage=0.90).tolist()
    [0.5, -1.5]
    """
    if coverage not in INTERVALS:
        raise CalibratorError(
            f"Expected a coverage of the grid, {sorted(INTERVALS)}, found {coverage}; extend the grid."
        )
    rows, labels = np.asarray(quantiles, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(LEVELS) or labels.shape != (len(rows),):
        raise CalibratorError(
            f"Expected quantiles (n, {len(LEVELS)}) and y (n,), found {rows.shape} and {labels.shape}; "
            "give one label per row."
        )
    if not (np.isfinite(rows).all() and np.isfinite(labels).all()):
        raise CalibratorError("Expected finite quantiles and labels, found NaN or infinity; drop those rows.")
    low, high = INTERVALS[coverage]
    return np.maximum(rows[:, low] - labels, labels - rows[:, high])


def finite_sample_rank(n: int, alpha: float | Fraction | Decimal) -> int:
    """Which of `n` ascending scores covers a new one with probability at least 1 - alpha.

    ceil((n + 1) (1 - alpha)), computed exactly on the decimal number that `alpha` is written as: floating
    point misses by a whole rank (ceil(10 * (1 - 0.7)) is 4). So write 0.1 or give a Fraction, never
    1 - 0.9, which is a little less than 0.1. A rank above n means that n scores are too few. Raises
    CalibratorError unless n >= 0 and 0 < alpha < 1.

    >>> [finite_sample_rank(n, 0.1) for n in (8, 9, 19, 99)]
    [9, 9, 18, 90]
    """
    try:
        exact = Fraction(str(alpha))
    except ValueError:
        exact = Fraction(0)
    if n < 0 or not 0 < exact < 1:
        raise CalibratorError(f"Expected n >= 0 and alpha in (0, 1), found n {n} and alpha {alpha}.")
    return math.ceil((n + 1) * (1 - exact))


def q_hat(scores: ArrayLike, alpha: float | Fraction | Decimal) -> float:
    """The conformal quantile of `scores` (n,): the one at `finite_sample_rank`, in the scores' unit.

    `math.inf` when n is too small for the level, never a quiet guess: the caller decides what an infinite
    band means. Raises CalibratorError on scores that are not a vector of finite numbers.

    >>> q_hat([0.3, -0.1, 0.2, 0.0, 0.1, 0.4, 0.5, 0.6, 0.7], alpha=0.1)
    0.7
    >>> q_hat([0.3, -0.1], alpha=0.1)
    inf
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise CalibratorError(
            f"Expected a vector of finite scores, found shape {values.shape} with "
            f"{int((~np.isfinite(values)).sum())} not finite; drop the rows they came from."
        )
    rank = finite_sample_rank(len(values), alpha)
    if rank > len(values):
        return math.inf
    return float(np.partition(values, rank - 1)[rank - 1])


def nested(
    quantiles: ArrayLike, widening: Mapping[float, float | NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Widen both intervals of `quantiles` (5,) or (n, 5) and keep them in order; a new array.

    `widening` gives for each coverage one number or one per row. A negative one narrows, down to the
    interval's midpoint, never inside out. Where the inner interval sticks out of the outer, the outer
    takes its edge: wider wins, so no coverage is lost. The median is moved into the inner interval.
    Raises CalibratorError unless the quantiles are finite and ascending.

    >>> nested([-2.0, -1.0, 0.0, 1.0, 2.0], {0.90: -5.0, 0.50: 0.25}).tolist()
    [-1.25, -1.25, 0.0, 1.25, 1.25]
    """
    q = ascending(quantiles)
    out = q.copy()
    for coverage, (low, high) in INTERVALS.items():
        middle = q[..., low] + (q[..., high] - q[..., low]) / 2
        out[..., low] = np.minimum(q[..., low] - widening[coverage], middle)
        out[..., high] = np.maximum(q[..., high] + widening[coverage], middle)
    (outer_low, outer_high), (inner_low, inner_high) = INTERVALS[0.90], INTERVALS[0.50]
    out[..., outer_low] = np.minimum(out[..., outer_low], out[..., inner_low])
    out[..., outer_high] = np.maximum(out[..., outer_high], out[..., inner_high])
    out[..., MEDIAN] = np.clip(q[..., MEDIAN], out[..., inner_low], out[..., inner_high])
    return out


def miss_rate(coverage: float) -> Fraction:
    """The share an interval of `coverage` may miss, exact on the decimal it is written as."""
    return 1 - Fraction(str(coverage))


def ascending(quantiles: ArrayLike) -> NDArray[np.float64]:
    """The quantiles (5,) or (n, 5) as an array; raises CalibratorError unless finite and ascending."""
    q = np.asarray(quantiles, dtype=np.float64)
    if q.ndim not in (1, 2) or q.shape[-1] != len(LEVELS):
        raise CalibratorError(
            f"Expected quantiles of shape ({len(LEVELS)},) or (n, {len(LEVELS)}), found {q.shape}; give one "
            "column per level of the grid."
        )
    if not np.isfinite(q).all():
        raise CalibratorError("Expected finite quantiles, found NaN or infinity; calibrate them only once.")
    if np.any(q[..., 1:] < q[..., :-1]):
        raise CalibratorError("Expected ascending quantiles, found a crossing; rearrange them first.")
    return q
