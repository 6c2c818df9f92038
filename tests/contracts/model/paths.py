"""Price paths for tests of the folds."""

from __future__ import annotations

import math

import numpy as np

from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS

START = 1_600_000_000 // BAR_SECONDS * BAR_SECONDS


def random_candles(n_bars: int, seed: int, *, price: float = 100.0, unit: float = 50.0) -> list[Candle]:
    """A seeded path with volatility clusters, jumps, flat bars and bars without volume."""
    rng = np.random.default_rng(seed)
    candles, close, log_vol = [], price, math.log(0.01)
    for index in range(n_bars):
        log_vol = 0.98 * log_vol + 0.02 * math.log(0.01) + 0.1 * rng.normal()
        kind = rng.random()
        step = 0.0 if kind < 0.02 else math.exp(log_vol) * rng.normal() * (6.0 if kind > 0.99 else 1.0)
        start, close = close, close * math.exp(step)
        wick = 0.0 if kind < 0.02 else math.exp(log_vol)
        high = max(start, close) * math.exp(wick * rng.random())
        low = min(start, close) * math.exp(-wick * rng.random())
        volume = 0.0 if kind < 0.03 else unit * math.exp(rng.normal())
        candles.append(Candle(START + index * BAR_SECONDS, start, high, low, close, volume))
    return candles
