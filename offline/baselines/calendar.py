"""A history on the unbroken 4-hour grid: short gaps bridged flat, long ones a new start."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from contracts.model.intake import DEFAULT_MAX_GAP_BARS
from contracts.model.spec import WARM_UP_BARS


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of history without a long gap, on its full grid of m bars."""

    rows: slice
    """The history's rows in this stretch."""
    place: NDArray[np.int64]
    """Grid position of each of those rows; the other positions are bridged."""
    returns: NDArray[np.float64]
    """One-bar log returns, shape (m,): 0 on bridged bars and, since it has none, on the first."""

    @property
    def warm(self) -> NDArray[np.bool_]:
        """Which rows of this stretch have as many bars behind them as the model's features need."""
        return self.place >= WARM_UP_BARS - 1

    def trailing_variance(self, bars: int) -> NDArray[np.float64]:
        """Mean squared return of the last `bars` bars, shape (m,), NaN before there are as many returns."""
        answer = np.full(len(self.returns), np.nan)
        squares = self.returns[1:] ** 2
        if len(squares) >= bars:
            answer[bars:] = np.lib.stride_tricks.sliding_window_view(squares, bars).mean(axis=1)
        return answer


def segments(history: History, max_gap_bars: int = DEFAULT_MAX_GAP_BARS) -> list[Segment]:
    """Cut a history at gaps of more than `max_gap_bars` missing bars and bridge the rest flat.

    The rule is the worker's (`contracts.model.intake`).
    """
    if len(history) == 0:
        return []
    steps = np.diff(history.open_time) // BAR_SECONDS
    edges = [0, *(np.flatnonzero(steps > max_gap_bars + 1) + 1).tolist(), len(history)]
    out = []
    for start, stop in pairwise(edges):
        place = (history.open_time[start:stop] - history.open_time[start]) // BAR_SECONDS
        returns = np.zeros(int(place[-1]) + 1)
        returns[place[1:]] = np.diff(np.log(history.close[start:stop]))
        out.append(Segment(slice(start, stop), place, returns))
    return out
