"""Split CQR: one widening for all rows, learned once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from contracts.model._calibration.alike import AlikeForAll
from contracts.model._calibration.inputs import expect_state, outer_and_inner
from contracts.model._calibration.scores import (
    ascending,
    conformity_scores,
    finite_sample_rank,
    miss_rate,
    q_hat,
)
from contracts.model.calibrator import CalibratorError, ClosedLabel, register
from contracts.model.grid import INTERVALS


@register
@dataclass(frozen=True, slots=True)
class SplitCQR(AlikeForAll):
    """Split conformalised quantile regression (Romano, Patterson, Candes 2019).

    One number per interval, learned once on data the model has not seen: exchangeable rows are then
    covered with at least the stated probability, for any model. `outer` and `inner` widen the 90 % and
    the 50 % interval in standardised units; `n_scores` is how many scores they come from. Both are
    `math.inf` where that was too few.

    >>> import numpy as np
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
            too_few = finite_sample_rank(self.n_scores, miss_rate(coverage)) > self.n_scores
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
        rows = ascending(quantiles)
        width = {
            coverage: q_hat(conformity_scores(rows, y, coverage), miss_rate(coverage))
            for coverage in INTERVALS
        }
        return cls(outer=width[0.90], inner=width[0.50], n_scores=len(rows))

    @property
    def q_hat(self) -> dict[float, float]:
        """What each interval is widened by on either side (narrowed when negative), by coverage."""
        return {0.90: self.outer, 0.50: self.inner}

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
        expect_state(state, cls.method, {"n_scores", "q_hat"})
        outer, inner = outer_and_inner(state["q_hat"], "q_hat")
        return cls(outer=_width(outer), inner=_width(inner), n_scores=state["n_scores"])


def _width(value: object) -> float:
    if value == "inf":
        return math.inf
    if not isinstance(value, float) or not math.isfinite(value):
        raise CalibratorError(f'Expected q_hat as a finite float or "inf", found {value!r}; calibrate again.')
    return value
