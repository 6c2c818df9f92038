"""Adaptive CQR: a quantile tracker that moves only when a label has closed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model._calibration.inputs import expect_fields, issued_band, refuse_unclosed, whole
from contracts.model._calibration.scores import miss_rate, nested
from contracts.model._calibration.split import SplitCQR
from contracts.model.calibrator import BandContext, CalibratorError, ClosedLabel, register
from contracts.model.grid import INTERVALS

# Of the scale per outcome: 0.002 to 0.005 cost 0.1-0.2 % pinball on 2021-2024 and cut the yearly miss of
# coverage by a fifth; with 2,190 outcomes a year a misspecified q_hat is mostly corrected within one.
STEP = 0.003
MAX_STEP = 0.1  # beyond it one outcome moves the band by a tenth of the scale: noise, not calibration


@register
@dataclass(frozen=True, slots=True)
class AdaptiveCQR:
    """Online quantile tracking with delayed labels (Gibbs, Candes 2021, "Adaptive conformal inference under
    distribution shift"; Angelopoulos, Candes, Tibshirani 2023, "Conformal PID control for time series").

    Each closed label moves the widening of each interval by `step * (missed - alpha)` in standardised
    units: `missed` is judged against the band that was issued, alpha is 0.1 for the 90 % interval and 0.5
    for the 50 % one. Both sides move together, as split CQR widens them: a side of its own would see half
    of the already few misses.

    No distribution is assumed. The moves telescope, so after n outcomes the share of misses is exactly
    alpha + (q_n - q_0) / (step * n). Where scores lie within [-b, b] and at most d labels are open, q
    stays within [min(q_0, -b) - (d + 1) step alpha, max(q_0, b) + (d + 1) step (1 - alpha)]. From a start
    within [-b, b] coverage is therefore off by at most (2 b / step + d + 1) / n, whatever the market does.
    The lower bound leaves out bands issued wider than asked, see `nested`: narrowed to a midpoint that the
    label hits, or held out by the 50 % interval. The promise is about the long run, never one month.

    `outer` and `inner` are the widenings in force. Start from `calibrate`, or from zero, `AdaptiveCQR(0.0,
    0.0)`, where the model was fit on all rows and no held-out ones are left.

    >>> flat, at = (-2.0, -1.0, 0.0, 1.0, 2.0), BandContext(0, 1.0)
    >>> calibrator = AdaptiveCQR(outer=0.0, inner=0.0, step=0.01)
    >>> issued = tuple(calibrator.interval(flat).tolist())
    >>> missed = calibrator.update(ClosedLabel(flat, issued, 2.5, at, closed_at=604800))
    >>> {coverage: round(width, 4) for coverage, width in missed.q_hat.items()}
    {0.9: 0.009, 0.5: 0.005}
    """

    method: ClassVar[str] = "adaptive_cqr"
    outer: float
    inner: float
    step: float = STEP
    last_closed_at: int | None = None
    """Epoch seconds UTC of the newest label learned from."""

    def __post_init__(self) -> None:
        for width in (self.outer, self.inner):
            if not isinstance(width, float) or not math.isfinite(width):
                raise CalibratorError(
                    f"Expected a finite float as widening, found {width!r}; a tracker can not move from "
                    "infinity, calibrate with at least 9 scores or start from 0.0."
                )
        if not isinstance(self.step, float) or not 0 < self.step <= MAX_STEP:
            raise CalibratorError(f"Expected step as a float in (0, {MAX_STEP}], found {self.step!r}.")
        if self.last_closed_at is not None:
            whole(self.last_closed_at, 0, "last_closed_at")

    @classmethod
    def calibrate(cls, quantiles: ArrayLike, y: ArrayLike, *, step: float = STEP) -> Self:
        """Start from split CQR on held-out `quantiles` (n, 5), ascending, and labels `y` (n,).

        Raises CalibratorError as split CQR does, and on fewer than 9 rows, whose 90 % rank is infinite.
        """
        split = SplitCQR.calibrate(quantiles, y)
        return cls(outer=split.outer, inner=split.inner, step=step)

    @property
    def q_hat(self) -> dict[float, float]:
        """The widening now in force by coverage."""
        return {0.90: self.outer, 0.50: self.inner}

    def q_hat_at(self, context: BandContext) -> dict[float, float]:  # noqa: ARG002 - the interface's
        """The same for every context: `q_hat`."""
        return self.q_hat

    def interval(
        self,
        quantiles: ArrayLike,
        context: BandContext | Sequence[BandContext] | None = None,  # noqa: ARG002 - the interface's
    ) -> NDArray[np.float64]:
        """The calibrated quantiles, see `SplitCQR.interval`; `context` makes no difference."""
        return nested(quantiles, self.q_hat)

    def update(self, outcome: ClosedLabel) -> Self:
        """Wider after a miss, a little narrower after a hit; a label on the edge is a hit.

        Raises CalibratorError on labels that are not closed, come out of order, or whose issued band is not
        ascending.
        """
        refuse_unclosed(outcome, self.last_closed_at)
        band = issued_band(outcome)
        moved = {}
        for coverage, (low, high) in INTERVALS.items():
            missed = not band[low] <= outcome.y <= band[high]
            moved[coverage] = self.q_hat[coverage] + self.step * (missed - float(miss_rate(coverage)))
        return replace(self, outer=moved[0.90], inner=moved[0.50], last_closed_at=outcome.closed_at)

    def to_json(self) -> dict[str, Any]:
        """State as JSON types."""
        return {
            "method": self.method,
            "q_hat": {f"{coverage:.2f}": width for coverage, width in self.q_hat.items()},
            "step": self.step,
            "last_closed_at": self.last_closed_at,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `to_json` gave; raises CalibratorError on anything else."""
        expect_fields(state, {"method", "q_hat", "step", "last_closed_at"}, "state")
        expect_fields(state["q_hat"], {f"{coverage:.2f}" for coverage in INTERVALS}, "q_hat")
        if state["method"] != cls.method:
            raise CalibratorError(
                f"Expected method {cls.method!r}, found {state['method']!r}; use calibrator_from_json."
            )
        return cls(
            outer=state["q_hat"]["0.90"],
            inner=state["q_hat"]["0.50"],
            step=state["step"],
            last_closed_at=state["last_closed_at"],
        )
