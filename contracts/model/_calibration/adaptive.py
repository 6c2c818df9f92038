"""Adaptive CQR: a quantile tracker that moves only when a label has closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from contracts.model._calibration.alike import AlikeForAll
from contracts.model._calibration.inputs import expect_state, outer_and_inner, whole_or_none
from contracts.model._calibration.split import SplitCQR
from contracts.model._calibration.tracking import excess_of_misses, expect_rate, expect_start
from contracts.model.calibrator import ClosedLabel, register

# Of the scale per outcome: 0.002 to 0.005 cost 0.1-0.2 % pinball on 2021-2024 and cut the yearly miss of
# coverage by a fifth; with 2,190 outcomes a year a misspecified q_hat is mostly corrected within one.
STEP = 0.003


@register
@dataclass(frozen=True, slots=True)
class AdaptiveCQR(AlikeForAll):
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

    >>> from contracts.model.calibrator import BandContext
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
        expect_start(self.outer, self.inner)
        expect_rate(self.step, "step")
        whole_or_none(self.last_closed_at, 0, "last_closed_at")

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

    def update(self, outcome: ClosedLabel) -> Self:
        """Wider after a miss, a little narrower after a hit; a label on the edge is a hit.

        Raises CalibratorError on labels that are not closed, come out of order, or whose issued band is not
        ascending.
        """
        excess = excess_of_misses(outcome, self.last_closed_at)
        return replace(
            self,
            outer=self.outer + self.step * excess[0.90],
            inner=self.inner + self.step * excess[0.50],
            last_closed_at=outcome.closed_at,
        )

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
        expect_state(state, cls.method, {"q_hat", "step", "last_closed_at"})
        outer, inner = outer_and_inner(state["q_hat"], "q_hat")
        return cls(outer, inner, step=state["step"], last_closed_at=state["last_closed_at"])
