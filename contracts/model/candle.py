"""One bar as the numeric core sees it, and the columnar history of one symbol."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, iso

END_OF_TIME = 7_258_118_400
"""2200-01-01: far beyond any bar, and well inside what dates can hold."""

LARGEST = 1e18
"""No coin trades at a price or volume beyond this, or at a price below its inverse; arithmetic on larger
numbers would overflow."""


class Candle(NamedTuple):
    """A closed 4-hour bar. Prices in quote currency, volume in base asset."""

    open_time: int
    """Epoch seconds UTC of the bar's start."""
    open: float
    high: float
    low: float
    close: float
    volume: float


def violation(candle: Candle) -> str | None:
    """Why this candle can not be a bar, or None when it can.

    Training and serving reject by this one rule.

    >>> violation(Candle(0, 1.0, 2.0, 0.5, 1.5, 10.0)) is None
    True
    >>> violation(Candle(0, 1.0, 0.9, 0.5, 0.7, 10.0))
    'expected open <= high, found open 1.0 above high 0.9'
    """
    prices = (("open", candle.open), ("high", candle.high), ("low", candle.low), ("close", candle.close))
    for name, price in prices:
        if not math.isfinite(price):
            return f"expected a finite {name}, found {price}"
        if price <= 0:
            return f"expected {name} > 0, found {price}"
        if not 1 / LARGEST <= price <= LARGEST:
            return f"expected {name} between {1 / LARGEST} and {LARGEST}, found {price}"
    if not 0 <= candle.volume <= LARGEST:
        return f"expected a finite volume >= 0, found {candle.volume}"
    if candle.low > candle.high:
        return f"expected low <= high, found low {candle.low} above high {candle.high}"
    for name, price in (prices[0], prices[3]):
        if price > candle.high:
            return f"expected {name} <= high, found {name} {price} above high {candle.high}"
        if price < candle.low:
            return f"expected {name} >= low, found {name} {price} below low {candle.low}"
    if not 0 <= candle.open_time < END_OF_TIME:
        return f"expected open_time between 1970 and 2200, found {candle.open_time} seconds"
    if candle.open_time % BAR_SECONDS:
        return (
            "expected open_time on the 4-hour grid (00, 04, 08, 12, 16, 20 UTC), "
            f"found {iso(candle.open_time)}"
        )
    return None


@dataclass(frozen=True, slots=True)
class History:
    """The bars of one symbol, strictly increasing in time, gaps left as missing rows.

    `open_time` is int64 epoch seconds of shape (n,); the five others are float64 of shape (n,).
    """

    symbol: str
    open_time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_time)

    def candles(self) -> list[Candle]:
        """Every bar in order, as plain Python numbers."""
        columns = (self.open_time, self.open, self.high, self.low, self.close, self.volume)
        return [Candle(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]

    def between(self, start: int | None, stop: int | None) -> History:
        """The bars that close in (start, stop], both in epoch seconds; None leaves a side open."""
        closes = self.open_time + BAR_SECONDS
        keep = np.ones(len(self), dtype=bool)
        if start is not None:
            keep &= closes > start
        if stop is not None:
            keep &= closes <= stop
        prices = (self.open, self.high, self.low, self.close, self.volume)
        return History(self.symbol, self.open_time[keep], *(column[keep] for column in prices))
