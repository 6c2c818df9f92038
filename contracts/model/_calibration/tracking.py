"""What trackers share: widenings that move by a step with every miss and hit of a closed label."""

from __future__ import annotations

import math

from contracts.model._calibration.inputs import issued_band, refuse_unclosed
from contracts.model._calibration.scores import miss_rate
from contracts.model.calibrator import CalibratorError, ClosedLabel
from contracts.model.grid import INTERVALS

MAX_STEP = 0.1  # beyond it one outcome moves the band by a tenth of the scale: noise, not calibration


def excess_of_misses(outcome: ClosedLabel, last_closed_at: int | None) -> dict[float, float]:
    """By coverage, whether the issued band missed (1 or 0) less the share that may; an edge is a hit.

    Raises CalibratorError on labels that are not closed, come out of order (StaleLabelError), or whose
    issued band is not ascending.
    """
    refuse_unclosed(outcome, last_closed_at)
    band = issued_band(outcome)
    return {
        coverage: (not band[low] <= outcome.y <= band[high]) - float(miss_rate(coverage))
        for coverage, (low, high) in INTERVALS.items()
    }


def expect_start(outer: float, inner: float) -> None:
    """Raise CalibratorError unless both widenings are finite floats."""
    for width in (outer, inner):
        if not isinstance(width, float) or not math.isfinite(width):
            raise CalibratorError(
                f"Expected a finite float as widening, found {width!r}; a tracker can not move from "
                "infinity, calibrate with at least 9 scores or start from 0.0."
            )


def expect_rate(value: float, name: str, most: float = MAX_STEP) -> None:
    """Raise CalibratorError unless `value` is a float above 0 and at most `most`."""
    if not isinstance(value, float) or not 0 < value <= most:
        raise CalibratorError(f"Expected {name} as a float in (0, {most}], found {value!r}.")
