"""From what happened to a detector's input in [0, 1]; None where an input is not a number.

Page-Hinkley depends on scale, and one NaN would poison a running mean for good: nothing but a finite
number in [0, 1] leaves here. Every map takes numbers or, under the name `…_inputs`, whole columns.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NORMAL_SPAN = 2 * 1.6448536269514722
"""Standard deviations between the 5 % and the 95 % quantile of a normal law."""

WIDTH_CLIP = 4.0
"""Of variance over implied variance: a jump counts as much as a bar twice as wide as implied, no more."""

LOSS_CLIP = 1.0
"""Of mean pinball over σ√T, whose average is about a quarter."""


def implied_scale(q05: float, q95: float, horizon_bars: int) -> float:
    """One-bar standard deviation that a band of `horizon_bars` implies, in log-return units.

    >>> round(implied_scale(-0.1066, 0.1066, 42), 4)
    0.01
    """
    return (q95 - q05) / (NORMAL_SPAN * math.sqrt(horizon_bars))


def width_input(log_return: float, log_range: float, scale: float) -> float | None:
    """A bar's variance over what the band issued just before it implied, clipped at four, in [0, 1].

    The variance is Garman & Klass's (1980, J. Business 53(1)) of the return from the last close and the
    range log(high / low), widened to hold that return. Of a bar it tells five times as much as the squared
    return alone: at one alarm a year a regime of 1.5 is seen after 80 bars instead of 140 (simulated).

    >>> round(width_input(0.01, 0.015, 0.01), 3)
    0.185
    >>> width_input(float("nan"), 0.015, 0.01) is None
    True
    """
    if not (0.0 < scale < math.inf and math.isfinite(log_return) and 0.0 <= log_range < math.inf):
        return None
    span = max(log_range, abs(log_return)) / scale
    move = log_return / scale
    ratio = 0.5 * span * span - (2 * math.log(2) - 1) * move * move
    # A span so large that its square overflows leaves inf - inf.
    return min(ratio, WIDTH_CLIP) / WIDTH_CLIP if ratio >= 0.0 else 1.0


def width_ratios(log_return: Array, log_range: Array, scale: Array) -> Array:
    """The same before clipping, over columns of finite numbers, shape (n,)."""
    span = np.maximum(log_range, np.abs(log_return)) / scale
    ratios: Array = 0.5 * span**2 - (2 * math.log(2) - 1) * (log_return / scale) ** 2
    return ratios


def miss_input(hit_90: bool) -> float:
    """1 for an outcome outside the 90 % interval, else 0."""
    return 0.0 if hit_90 else 1.0


def loss_input(pinball: float, sigma: float, horizon_bars: int) -> float | None:
    """Mean pinball over σ√T, clipped at one."""
    unit = sigma * math.sqrt(horizon_bars)
    if not (math.isfinite(pinball) and pinball >= 0.0 and 0.0 < unit < math.inf):
        return None
    return min(pinball / unit, LOSS_CLIP) / LOSS_CLIP


def spread_input(pit: float) -> float | None:
    """How far from the median the outcome fell: |2·PIT - 1|, one half on average in a good year.

    >>> spread_input(0.5), spread_input(0.0)
    (0.0, 1.0)
    """
    return abs(2.0 * pit - 1.0) if 0.0 <= pit <= 1.0 else None
