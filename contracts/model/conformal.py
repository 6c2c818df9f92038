"""Conformal calibration of the two intervals: scores, ranks, nesting, split CQR, and all other members.

Everything is in standardised units: a return divided by sigma * sqrt(T). Quantiles come rearranged
(ascending), five to a row, at the levels of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.calibrator import (
    BandContext,
    Calibrator,
    CalibratorError,
    ClosedLabel,
    calibrator_from_json,
    calibrator_methods,
    register,
)
from contracts.model.grid import INTERVALS, LEVELS, MEDIAN

__all__ = [
    "AdaptiveCQR",
    "BandContext",
    "Calibrator",
    "CalibratorError",
    "ClosedLabel",
    "MondrianCQR",
    "RollingCQR",
    "SplitCQR",
    "calibrator_from_json",
    "calibrator_methods",
    "conformity_scores",
    "finite_sample_rank",
    "nested",
    "q_hat",
    "register",
]


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
    q = _ascending(quantiles)
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


@register
@dataclass(frozen=True, slots=True)
class SplitCQR:
    """Split conformalised quantile regression (Romano, Patterson, Candes 2019).

    One number per interval, learned once on data the model has not seen: exchangeable rows are then
    covered with at least the stated probability, for any model. `outer` and `inner` widen the 90 % and
    the 50 % interval in standardised units; `n_scores` is how many scores they come from. Both are
    `math.inf` where that was too few.

    >>> y = np.linspace(-3, 3, 99)
    >>> calibrator = SplitCQR.calibrate(np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], (99, 1)), y)
    >>> {coverage: round(width, 3) for coverage, width in calibrator.q_hat.items()}
    {0.9: 0.755, 0.5: 0.531}
    >>> calibrator.interval([-2.0, -1.0, 0.0, 1.0, 2.0]).round(3).tolist()
    [-2.755, -1.531, 0.0, 1.531, 2.755]
    """

    method: ClassVar[str] = "split_cqr"
    outer: float
    inner: float
    n_scores: int

    def __post_init__(self) -> None:
        if isinstance(self.n_scores, bool) or not isinstance(self.n_scores, int) or self.n_scores < 0:
            raise CalibratorError(f"Expected n_scores >= 0, found {self.n_scores!r}; calibrate again.")
        for coverage, width in self.q_hat.items():
            too_few = finite_sample_rank(self.n_scores, _alpha(coverage)) > self.n_scores
            fits = isinstance(width, float) and (width == math.inf if too_few else math.isfinite(width))
            if not fits:
                expected = "infinity" if too_few else "a finite float"
                raise CalibratorError(
                    f"Expected q_hat of {coverage} to be {expected} from {self.n_scores} scores, found "
                    f"{width!r}; calibrate again."
                )

    @classmethod
    def calibrate(cls, quantiles: ArrayLike, y: ArrayLike) -> Self:
        """Learn from held-out `quantiles` (n, 5), ascending, and their labels `y` (n,).

        Raises CalibratorError on shapes that do not fit, values not finite and quantiles out of order.
        """
        rows = _ascending(quantiles)
        width = {
            coverage: q_hat(conformity_scores(rows, y, coverage), _alpha(coverage)) for coverage in INTERVALS
        }
        return cls(outer=width[0.90], inner=width[0.50], n_scores=len(rows))

    @property
    def q_hat(self) -> dict[float, float]:
        """What each interval is widened by on either side (narrowed when negative), by coverage."""
        return {0.90: self.outer, 0.50: self.inner}

    def interval(
        self,
        quantiles: ArrayLike,
        context: BandContext | Sequence[BandContext] | None = None,  # noqa: ARG002 - the interface's
    ) -> NDArray[np.float64]:
        """The calibrated quantiles, of the shape of `quantiles`: (5,) or (n, 5); a new array.

        Ascending: the 50 % interval lies in the 90 % one and the median in both, see `nested`. Columns
        whose q_hat is infinite are -inf and inf. `context` makes no difference to split CQR. Raises
        CalibratorError unless the quantiles are finite and ascending.
        """
        return nested(quantiles, self.q_hat)

    def update(self, outcome: ClosedLabel) -> Self:  # noqa: ARG002 - the interface's
        """Itself: split CQR learns nothing after calibration."""
        return self

    def to_json(self) -> dict[str, Any]:
        """State as JSON types; an infinite q_hat is written "inf", which JSON has no number for."""
        return {
            "method": self.method,
            "n_scores": self.n_scores,
            "q_hat": {
                f"{coverage:.2f}": "inf" if width == math.inf else width
                for coverage, width in self.q_hat.items()
            },
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `to_json` gave.

        Raises CalibratorError on missing or unknown fields, wrong types, and a q_hat that can not come
        from that many scores.
        """
        _expect_keys(state, {"method", "n_scores", "q_hat"}, "state")
        if state["method"] != cls.method:
            raise CalibratorError(
                f"Expected method {cls.method!r}, found {state['method']!r}; use calibrator_from_json."
            )
        widths = state["q_hat"]
        _expect_keys(widths, {f"{coverage:.2f}" for coverage in INTERVALS}, "q_hat")
        return cls(
            outer=_width(widths["0.90"]),
            inner=_width(widths["0.50"]),
            n_scores=state["n_scores"],
        )


def _alpha(coverage: float) -> Fraction:
    return 1 - Fraction(str(coverage))


def _width(value: object) -> float:
    if value == "inf":
        return math.inf
    if not isinstance(value, float) or not math.isfinite(value):
        raise CalibratorError(f'Expected q_hat as a finite float or "inf", found {value!r}; calibrate again.')
    return value


def _expect_keys(value: object, keys: set[str], where: str) -> None:
    if not isinstance(value, Mapping) or set(value) != keys:
        found = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise CalibratorError(
            f"Expected the fields {sorted(keys)} in a calibrator's {where}, found {found}; use the release "
            "that wrote it."
        )


def _ascending(quantiles: ArrayLike) -> NDArray[np.float64]:
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


# The other members need the definitions above; importing them here registers them.
from contracts.model._calibration.adaptive import AdaptiveCQR  # noqa: E402
from contracts.model._calibration.mondrian import MondrianCQR  # noqa: E402
from contracts.model._calibration.rolling import RollingCQR  # noqa: E402
