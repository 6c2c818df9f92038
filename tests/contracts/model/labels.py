"""Labels and how a worker would live through them, for tests of calibrators that learn."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from contracts.model.conformal import BandContext, Calibrator, ClosedLabel
from contracts.model.grid import BAR_SECONDS, INTERVALS, LEVELS

Rows = NDArray[np.float64]
LEVEL = tuple(float(x) for x in stats.norm.ppf(LEVELS))
DELAY = 42
ALPHA = {0.90: 0.1, 0.50: 0.5}


def live(
    calibrator: Calibrator, y: Rows, delay: int = DELAY, ratios: Rows | None = None
) -> tuple[Calibrator, Rows]:
    """Issue a band a bar and teach each label `delay` bars later, as the worker does; bands (n, 5)."""
    open_labels: deque[tuple[BandContext, tuple[float, ...], float]] = deque()
    bands = []
    for t, label in enumerate(y.tolist()):
        while open_labels and open_labels[0][0].close_time + delay * BAR_SECONDS <= t * BAR_SECONDS:
            born, issued, came = open_labels.popleft()
            lesson = ClosedLabel(LEVEL, issued, came, born, born.close_time + delay * BAR_SECONDS)
            calibrator = calibrator.update(lesson)
        context = BandContext(t * BAR_SECONDS, 1.0 if ratios is None else float(ratios[t]))
        bands.append(tuple(calibrator.interval(LEVEL, context).tolist()))
        open_labels.append((context, bands[-1], label))
    return calibrator, np.array(bands)


def hits(bands: Rows, y: Rows, coverage: float) -> NDArray[np.bool_]:
    """Which bands of `coverage` hold their label."""
    low, high = INTERVALS[coverage]
    return (bands[:, low] <= y) & (y <= bands[:, high])


def overlapping(rng: np.random.Generator, n: int) -> Rows:
    """Standard normal labels, each a sum over `DELAY` bars that shares all but one with the next."""
    return np.convolve(rng.normal(size=n + DELAY - 1), np.ones(DELAY), "valid") / math.sqrt(DELAY)


def returns(rng: np.random.Generator, n: int, kind: str) -> Rows:
    """Labels within [-5, 5], none of them exchangeable except the first kind."""
    noise = np.clip(rng.normal(size=n), -5, 5)
    if kind == "exchangeable":
        return noise
    if kind == "overlapping":
        return overlapping(rng, n)
    if kind == "cycles":
        return np.clip(noise * (1 + 0.8 * np.sin(np.arange(n) / 300)), -5, 5)
    return np.where(np.arange(n) // 500 % 2 == 0, 5.0, 0.0)  # an adversary: misses in blocks
