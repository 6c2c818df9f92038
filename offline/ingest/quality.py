"""Oddities of good bars: gaps, flat runs and extreme returns. None of them changes a bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.ingest.report import Run

EXTREME_SIGMAS = 15.0
"""Robust standard deviations of a bar's return that count as extreme. The median absolute deviation
sees only the calm centre of these heavy tails: 10 marks 0.35 % of Binance's BTC bars, 15 one in 1,240,
 the days everybody remembers and the typing errors."""

FLAT_RUN = 3
"""Bars without movement in a row that count as a run; one or two happen in any thin market."""


def find_gaps(history: History) -> tuple[Run, ...]:
    """Runs of missing bars between the first and the last.

    >>> import numpy as np
    >>> one = np.ones(2)
    >>> find_gaps(History("A", np.array([0, 3 * 14_400]), one, one, one, one, one))
    (Run(open_time=14400, bars=2),)
    """
    steps = np.diff(history.open_time) // BAR_SECONDS
    return tuple(
        Run(int(history.open_time[at]) + BAR_SECONDS, int(steps[at]) - 1) for at in np.flatnonzero(steps > 1)
    )


def find_flat_runs(history: History, shortest: int = FLAT_RUN) -> tuple[Run, ...]:
    """Runs of at least `shortest` bars whose high equals their low and the bar's before."""
    flat = history.high == history.low
    same_price = np.concatenate(([False], history.close[1:] == history.close[:-1]))
    starts = flat & ~(np.concatenate(([False], flat[:-1])) & same_price)
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1
    lengths = np.bincount(group[flat], minlength=len(first))
    return tuple(
        Run(int(history.open_time[at]), int(bars))
        for at, bars in zip(first, lengths, strict=True)
        if bars >= shortest
    )


def find_extremes(history: History, sigmas: float = EXTREME_SIGMAS) -> tuple[NDArray[np.int64], float | None]:
    """Indices of bars whose |log return| over one bar is extreme, and the threshold in log-return units.

    The threshold is `sigmas` times 1.4826 median |r - median r| over neighbouring bars; returns across
    a gap are not judged. It is None when fewer than 30 returns exist or more than half are equal.
    """
    returns = np.diff(np.log(history.close))
    neighbours = np.diff(history.open_time) == BAR_SECONDS
    sample = returns[neighbours]
    if len(sample) < 30:
        return np.empty(0, dtype=np.int64), None
    spread = float(1.4826 * np.median(np.abs(sample - np.median(sample))))
    if spread == 0.0:
        return np.empty(0, dtype=np.int64), None
    threshold = sigmas * spread
    return np.flatnonzero(neighbours & (np.abs(returns) > threshold)) + 1, threshold
