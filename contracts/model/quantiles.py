"""From empirical quantiles and a learned correction to an ordered set: correction, rearrangement, crossing.

Arrays hold the five levels of `contracts.model.grid.LEVELS` in their last axis, in any one unit (here
returns standardised by sigma * sqrt(T)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.grid import LEVELS, MEDIAN


def rearrange(q: ArrayLike) -> NDArray[np.float64]:
    """The quantiles of each row in ascending order: a sorted copy of `q` (..., 5).

    Sorting never moves a set of quantiles further from the true ones, and undoes every crossing
    (Chernozhukov, Fernandez-Val, Galichon 2010, "Quantile and probability curves without crossing").
    Raises ValueError on another last axis and on NaN.

    >>> rearrange([-2.0, -0.5, 0.1, 0.0, 2.0]).tolist()
    [-2.0, -0.5, 0.0, 0.1, 2.0]
    """
    ordered: NDArray[np.float64] = np.sort(_levels(q, "q"), axis=-1)
    return ordered


def crossing_rate(q: ArrayLike) -> float:
    """Share of the rows of `q` (n, 5) in which any level lies below the level before it, in [0, 1].

    Measure it before `rearrange`: afterwards it is zero. Raises ValueError on another shape, on no rows
    (a share of nothing is not zero) and on NaN.

    >>> crossing_rate([[-2.0, -0.5, 0.1, 0.0, 2.0], [-2.0, -0.5, 0.0, 0.0, 2.0]])
    0.5
    """
    rows = _levels(q, "q")
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(
            f"Expected at least one row of shape (n, {len(LEVELS)}), found {rows.shape} in q; give the raw "
            "quantiles of a whole sample."
        )
    return float(np.mean(np.any(rows[:, 1:] < rows[:, :-1], axis=1)))


def correct(
    empirical: ArrayLike, correction: ArrayLike, weight: ArrayLike, median_shrink: float
) -> NDArray[np.float64]:
    """Move empirical quantiles by a learned correction, then shrink the median towards zero.

    Per level `empirical + weight * correction`, and the median times `1 - median_shrink`. `correction` is
    (..., 5), `empirical` (5,) or of the same shape, `weight` one number or five in [0, 1] (0 leaves the
    empirical level as it is), `median_shrink` in [0, 1]. The result may cross: `rearrange` it. Raises
    ValueError on anything outside these, and on quantiles that are not finite.

    >>> correct([-2.0, -1.0, 0.5, 1.0, 2.0], [-1.0, -0.5, 0.0, 0.5, 1.0], 0.5, 0.8).round(3).tolist()
    [-2.5, -1.25, 0.1, 1.25, 2.5]
    """
    moves, history = _levels(correction, "correction"), _levels(empirical, "empirical")
    share = np.asarray(weight, dtype=np.float64)
    if share.shape not in ((), (len(LEVELS),)) or not np.all((share >= 0) & (share <= 1)):
        raise ValueError(
            f"Expected one weight or {len(LEVELS)}, each in [0, 1], found {share.tolist()}; check the head."
        )
    if not 0 <= median_shrink <= 1:
        raise ValueError(f"Expected median_shrink in [0, 1], found {median_shrink}; check the head.")
    if not (np.isfinite(moves).all() and np.isfinite(history).all()):
        raise ValueError("Expected finite quantiles, found infinity; correct before calibration, not after.")
    if history.shape not in ((len(LEVELS),), moves.shape):
        raise ValueError(
            f"Expected empirical of shape ({len(LEVELS)},) or {moves.shape}, found {history.shape}; "
            "give one row for all or one for each."
        )
    corrected: NDArray[np.float64] = history + share * moves
    corrected[..., MEDIAN] *= 1.0 - median_shrink
    return corrected


def _levels(q: ArrayLike, name: str) -> NDArray[np.float64]:
    values = np.asarray(q, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != len(LEVELS):
        raise ValueError(
            f"Expected {len(LEVELS)} levels in the last axis, found shape {values.shape} in {name}; "
            "give one column per level of the grid."
        )
    if np.isnan(values).any():
        raise ValueError(f"Expected numbers, found NaN in {name}; drop the row it came from.")
    return values
