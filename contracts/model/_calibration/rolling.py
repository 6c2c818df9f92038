"""Rolling CQR: split CQR on the labels that closed lately."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from contracts.model._calibration.alike import AlikeForAll
from contracts.model._calibration.inputs import (
    expect_list,
    expect_state,
    finite_floats,
    outer_and_inner,
    refuse_unclosed,
    whole,
)
from contracts.model._calibration.scores import ascending, conformity_scores, miss_rate
from contracts.model._calibration.scores import q_hat as conformal_quantile
from contracts.model._calibration.split import SplitCQR
from contracts.model.calibrator import CalibratorError, ClosedLabel, register
from contracts.model.grid import BAR_SECONDS

DAY_SECONDS = 24 * 3600
WINDOWS_DAYS = (30, 60, 90, 120, 180, 365)
BARS_PER_DAY = DAY_SECONDS // BAR_SECONDS
LEAST_SCORES = 9  # the fewest with a finite 90 % rank: ceil(0.9 (n + 1)) <= n


@register
@dataclass(frozen=True, slots=True)
class RollingCQR(AlikeForAll):
    """Split CQR on the scores of labels closed within the last `window_days` before the newest one.

    Exchangeable scores are covered with at least the stated probability; for others the window trades the
    bias of old scores against the noise of few (Barber, Candes, Ramdas, Tibshirani 2023, "Conformal
    prediction beyond exchangeability"). Labels that overlap T-fold are worth 1/T of their number: 30 days
    hold four independent weekly outcomes, which is too few for a 90 % rank to be steady.

    Until the window holds `min_scores`, or again does not after a gap, `start` is in force: what
    `calibrate` learned; `is_warm` says which. No more than `max_scores` are kept, the newest; the default
    fits one label a bar, so a calibrator that several symbols teach needs that many times more.

    >>> from contracts.model.calibrator import BandContext
    >>> flat = (-2.0, -1.0, 0.0, 1.0, 2.0)
    >>> calibrator = RollingCQR.calibrate([flat] * 99, np.linspace(-2, 2, 99), window_days=30, min_scores=20)
    >>> for i in range(40):
    ...     at = BandContext(BAR_SECONDS * i, 1.0)
    ...     band = tuple(calibrator.interval(flat, at).tolist())
    ...     calibrator = calibrator.update(ClosedLabel(flat, band, 3.0, at, BAR_SECONDS * (i + 42)))
    >>> calibrator.is_warm, calibrator.q_hat
    (True, {0.9: 1.0, 0.5: 2.0})
    """

    method: ClassVar[str] = "rolling_cqr"
    start: SplitCQR
    window_days: int
    min_scores: int
    max_scores: int
    closed_at: tuple[int, ...] = ()
    """When each kept label closed, epoch seconds UTC, ascending."""
    outer_scores: tuple[float, ...] = ()
    """The score of each kept label for the 90 % interval."""
    inner_scores: tuple[float, ...] = ()
    """The score of each kept label for the 50 % interval."""
    _in_force: tuple[float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.window_days, bool) or self.window_days not in WINDOWS_DAYS:
            raise CalibratorError(f"Expected window_days of {WINDOWS_DAYS}, found {self.window_days!r}.")
        whole(self.min_scores, LEAST_SCORES, "min_scores")
        whole(self.max_scores, self.min_scores, "max_scores")
        sizes = (len(self.closed_at), len(self.outer_scores), len(self.inner_scores))
        if len(set(sizes)) > 1 or sizes[0] > self.max_scores:
            raise CalibratorError(
                f"Expected at most {self.max_scores} closing times with two scores each, found {sizes} of "
                "them; use the state as it was saved."
            )
        scores = np.array([self.outer_scores, self.inner_scores], dtype=np.float64)
        if self.is_warm:
            outer, inner = (
                conformal_quantile(own, miss_rate(coverage))
                for own, coverage in zip(scores, (0.90, 0.50), strict=True)
            )
        else:
            outer, inner = self.start.outer, self.start.inner
        object.__setattr__(self, "_in_force", (outer, inner))

    @classmethod
    def calibrate(
        cls,
        quantiles: ArrayLike,
        y: ArrayLike,
        *,
        window_days: int,
        min_scores: int | None = None,
        max_scores: int | None = None,
    ) -> Self:
        """Learn what is in force until the window fills, from held-out `quantiles` (n, 5) and `y` (n,).

        `min_scores` is half of what the window holds at one label a bar unless given, so that the first
        few overlapping outcomes do not take over; `max_scores` all of it. Raises CalibratorError on a
        window that is not offered, on shapes that do not fit, values not finite and quantiles out of order.
        """
        full = BARS_PER_DAY * window_days
        return cls(
            start=SplitCQR.calibrate(quantiles, y),
            window_days=window_days,
            min_scores=full // 2 if min_scores is None else min_scores,
            max_scores=full if max_scores is None else max_scores,
        )

    @property
    def is_warm(self) -> bool:
        """Whether the window holds enough scores to be in force."""
        return len(self.closed_at) >= self.min_scores

    @property
    def q_hat(self) -> dict[float, float]:
        """The widening now in force by coverage, of the window or of `start`."""
        return dict(zip((0.90, 0.50), self._in_force, strict=True))

    def update(self, outcome: ClosedLabel) -> Self:
        """With the label's scores in the window and those that have become too old dropped.

        The scores are of the quantiles before calibration, so what was issued does not feed back. Raises
        CalibratorError on labels that are not closed, come out of order, or do not score.
        """
        refuse_unclosed(outcome, self.closed_at[-1] if self.closed_at else None)
        row = ascending([outcome.quantiles])
        outer, inner = (float(conformity_scores(row, [outcome.y], coverage)[0]) for coverage in (0.90, 0.50))
        times = (*self.closed_at, outcome.closed_at)
        expired = bisect_right(times, outcome.closed_at - self.window_days * DAY_SECONDS)
        keep = slice(max(expired, len(times) - self.max_scores), None)
        return replace(
            self,
            closed_at=times[keep],
            outer_scores=(*self.outer_scores, outer)[keep],
            inner_scores=(*self.inner_scores, inner)[keep],
        )

    def to_json(self) -> dict[str, Any]:
        """State as JSON types, with every score still in the window."""
        return {
            "method": self.method,
            "start": self.start.to_json(),
            "window_days": self.window_days,
            "min_scores": self.min_scores,
            "max_scores": self.max_scores,
            "closed_at": list(self.closed_at),
            "scores": {"0.90": list(self.outer_scores), "0.50": list(self.inner_scores)},
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `to_json` gave; raises CalibratorError on anything else."""
        fields = {"start", "window_days", "min_scores", "max_scores", "closed_at", "scores"}
        expect_state(state, cls.method, fields)
        outer, inner = outer_and_inner(state["scores"], "scores")
        days = state["window_days"]
        closed_at = tuple(
            whole(time, 0, "closed_at") for time in expect_list(state["closed_at"], "closed_at")
        )
        if closed_at != tuple(sorted(closed_at)) or (
            closed_at and closed_at[0] <= closed_at[-1] - whole(days, 1, "window_days") * DAY_SECONDS
        ):
            raise CalibratorError(
                "Expected ascending closing times within the window, found others; use the state as saved."
            )
        return cls(
            start=SplitCQR.from_json(state["start"]),
            window_days=days,
            min_scores=state["min_scores"],
            max_scores=state["max_scores"],
            closed_at=closed_at,
            outer_scores=finite_floats(outer, "scores"),
            inner_scores=finite_floats(inner, "scores"),
        )
