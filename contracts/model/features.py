"""The 33 features, defined once, as a state that folds bars.

Training folds it over history, the worker over the stream: one implementation, so equality is bit for
bit. Every sum runs over a fixed window from the newest bar backwards, so nothing accumulates and a
restored fold continues exactly where the snapshot was taken. Logarithms are taken bar by bar with the
C library's scalar `log`: vector versions may round differently with an array's length or alignment.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS
from contracts.model.scale import VolatilityScale, parkinson_variance
from contracts.model.spec import (
    PARKINSON_WINDOWS,
    RETURN_WINDOWS,
    RING_BARS,
    TWO_WINDOWS,
    VOLATILITY_WINDOWS,
    WARM_UP_BARS,
)

OPEN_TIME, OPEN, HIGH, LOW, CLOSE, VOLUME, BRIDGED, EXTREME = range(8)
RAW_ROWS = 8
R, R2, PK, GK, RS, DOWN, ABS_CROSS, CROSS, R3, R4, ILLIQ, TRADED = range(8, 20)
SUMMED = slice(R, TRADED + 1)
LOG_VOL_6 = 20
ROWS = 21

WINDOWS = (1, 6, 18, 42, 84, 180, 360)
AT = {window: index for index, window in enumerate(WINDOWS)}
LAST_OF_WINDOW = np.array(WINDOWS) - 1

EPSILON = 1e-8
"""Least variance, relative to σ², that counts as movement: below it a shape has no meaning."""

EXTREME_SIGMAS = 40.0
"""A bar whose range is this many times what volatility implied is marked: the largest of 116,000 real bars
has 21, a misplaced decimal point exceeds 100."""

LOG_VOL_FLOOR = 1e-10
MAX_ILLIQUIDITY = 1e200


class FeatureRow(NamedTuple):
    """What the models see of one bar: `values` of shape (33,), and σ, the one-bar volatility scale.

    `volatility_ratio` is `VolatilityScale.ratio`, `close_time` the bar's close in epoch seconds UTC:
    what calibrators condition on.
    """

    values: NDArray[np.float64]
    sigma: float
    volatility_ratio: float
    close_time: int


class FeatureFold:
    """Rolling state of one symbol.

    Updates replace arrays instead of writing into them, so `copy()` is cheap and a true snapshot.

    >>> fold = FeatureFold()
    >>> fold.update(Candle(0, 100.0, 101.0, 99.0, 100.5, 12.0)) is None  # still warming up
    True
    """

    __slots__ = ("count", "matrix", "prev_close", "scale")

    def __init__(self) -> None:
        self.count = 0
        """Bars folded since the start or the last restart, bridged ones included."""
        self.matrix: NDArray[np.float64] = np.zeros((ROWS, RING_BARS))
        """Raw bars and what is derived from each, newest first."""
        self.prev_close = 0.0
        """Close of the bar before the oldest one kept; 0 when there is none."""
        self.scale = VolatilityScale()

    def copy(self) -> Self:
        """An independent fold in the same state."""
        twin = copy.copy(self)
        twin.scale = copy.copy(self.scale)
        return twin

    @property
    def is_warm(self) -> bool:
        """True when the next row is complete."""
        return self.count >= WARM_UP_BARS

    def update(self, candle: Candle, *, bridged: bool = False) -> FeatureRow | None:
        """Fold one bar; return its row, or None while warming up.

        The caller keeps bars consecutive: see `SymbolFold`, which owns the gap rule.
        """
        self._push(candle, bridged)
        range_variance = float(self.matrix[PK, 0])
        if self.is_warm and range_variance > (EXTREME_SIGMAS * self.scale.sigma) ** 2:
            self.matrix[EXTREME, 0] = True
        self.scale.update(range_variance)
        return self.row()

    def row(self) -> FeatureRow | None:
        """The row of the newest bar; None while warming up."""
        if not self.is_warm:
            return None
        sigma = self.scale.sigma
        closed = int(self.matrix[OPEN_TIME, 0]) + BAR_SECONDS
        return FeatureRow(self._values(sigma), sigma, self.scale.ratio, closed)

    @classmethod
    def restore(
        cls,
        raw: NDArray[np.float64],
        *,
        count: int,
        prev_close: float,
        scale: VolatilityScale,
    ) -> Self:
        """The fold whose kept bars are `raw`, shape (8, n), newest first, as `matrix[:8]` holds them."""
        fold = cls()
        fold.prev_close = prev_close
        for open_time, *numbers, bridged, extreme in raw.T[::-1].tolist():
            fold._push(Candle(int(open_time), *numbers), bool(bridged))
            fold.matrix[EXTREME, 0] = extreme
        fold.count = count
        fold.scale = scale
        return fold

    def _push(self, candle: Candle, bridged: bool) -> None:
        old = self.matrix
        fresh = np.empty_like(old)
        fresh[:, 1:] = old[:, :-1]
        if dropped := float(old[CLOSE, -1]):
            self.prev_close = dropped
        previous_close = float(old[CLOSE, 0]) or self.prev_close
        previous_return = float(old[R, 0])

        log_open, log_high = math.log(candle.open), math.log(candle.high)
        log_low, log_close = math.log(candle.low), math.log(candle.close)
        r = log_close - math.log(previous_close) if previous_close else 0.0
        log_range, body = log_high - log_low, log_close - log_open
        turnover = candle.close * candle.volume
        illiquidity = abs(r) / turnover if turnover > 0.0 else MAX_ILLIQUIDITY
        traded = illiquidity < MAX_ILLIQUIDITY
        r2 = r * r
        recent = (
            r2
            + float(old[R2, 0])
            + float(old[R2, 1])
            + float(old[R2, 2])
            + float(old[R2, 3])
            + float(old[R2, 4])
        )
        fresh[:, 0] = (
            candle.open_time,
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            bridged,
            False,
            r,
            r2,
            parkinson_variance(log_high, log_low),
            0.5 * log_range * log_range - (2.0 * math.log(2.0) - 1.0) * body * body,
            (log_high - log_close) * (log_high - log_open) + (log_low - log_close) * (log_low - log_open),
            min(r, 0.0) ** 2,
            abs(r) * abs(previous_return),
            r * previous_return,
            r2 * r,
            r2 * r2,
            illiquidity if traded else 0.0,
            traded,
            0.5 * math.log(recent / 6.0 + LOG_VOL_FLOOR),
        )
        self.matrix = fresh
        self.count += 1

    def _values(self, sigma: float) -> NDArray[np.float64]:
        m = self.matrix
        sums = np.cumsum(m[SUMMED], axis=1)[:, LAST_OF_WINDOW].tolist()
        total = {row: sums[row - R] for row in range(R, TRADED + 1)}
        variance = sigma * sigma
        values = [total[R][AT[k]] / (sigma * math.sqrt(k)) for k in RETURN_WINDOWS]
        values += [_log_vol(total[R2][AT[k]] / k, variance) for k in VOLATILITY_WINDOWS]
        values += [_log_vol(total[PK][AT[k]] / k, variance) for k in PARKINSON_WINDOWS]
        values.append(_log_vol(total[GK][AT[42]] / 42, variance))
        values.append(_log_vol(total[RS][AT[42]] / 42, variance))
        still = {k: total[R2][AT[k]] <= EPSILON * variance * k for k in TWO_WINDOWS}
        values += [0.5 if still[k] else total[DOWN][AT[k]] / total[R2][AT[k]] for k in TWO_WINDOWS]
        values.append(
            1.0 if still[42] else min(0.5 * math.pi * total[ABS_CROSS][AT[42]] / total[R2][AT[42]], 4.0)
        )
        moments = [
            _skew_kurt([total[row][AT[k]] / k for row in (R, R2, R3, R4)], k, EPSILON * variance)
            for k in TWO_WINDOWS
        ]
        values += [skew for skew, _ in moments]
        values += [kurt for _, kurt in moments]
        log_close = math.log(float(m[CLOSE, 0]))
        for k in TWO_WINDOWS:
            unit = sigma * math.sqrt(k)
            values.append((math.log(float(m[HIGH, :k].max())) - log_close) / unit)
            values.append((log_close - math.log(float(m[LOW, :k].min()))) / unit)
        values += _volume(m[VOLUME, :180])
        values.append(_amihud(total[ILLIQ], total[TRADED]))
        values.append(float(m[LOG_VOL_6, :180].std()))
        values.append(0.0 if still[42] else max(-1.0, min(1.0, total[CROSS][AT[42]] / total[R2][AT[42]])))
        return np.array(values)


def _log_vol(mean_variance: float, variance: float) -> float:
    return 0.5 * math.log(max(mean_variance, 0.0) / variance + EPSILON)


def _skew_kurt(means: list[float], window: int, least: float) -> tuple[float, float]:
    m1, m2, m3, m4 = means
    variance = m2 - m1 * m1
    if variance <= least:
        return 0.0, 0.0
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1**3
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1**4
    # No sample of n can exceed √n and n; rounding of a nearly flat window could.
    skew = max(-math.sqrt(window), min(math.sqrt(window), third / variance**1.5))
    return skew, max(-2.0, min(float(window), fourth / (variance * variance) - 3.0))


def _volume(volume: NDArray[np.float64]) -> list[float]:
    largest = float(volume.max())
    if largest <= 0.0:
        return [0.0, 0.0]
    share = volume / largest
    deviation = float(share[:42].std())
    z = (float(share[0]) - float(share[:42].mean())) / deviation if deviation > EPSILON else 0.0
    return [z, math.log(float(share[:6].mean()) / float(share.mean()) + 1e-6)]


def _amihud(illiquidity: list[float], traded: list[float]) -> float:
    short, long = AT[42], AT[360]
    if not traded[short] or not illiquidity[long]:
        return 0.0
    ratio = (illiquidity[short] / traded[short]) / (illiquidity[long] / traded[long])
    return max(-10.0, min(10.0, math.log(ratio))) if ratio > 0.0 else -10.0
