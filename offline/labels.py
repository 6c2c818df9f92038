"""What happened: forward log returns, by time and never by row count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS


def target_rows(history: History, horizon: int) -> NDArray[np.int64]:
    """Row of the bar that opens `horizon` bars after each bar, shape (n,); -1 where it is missing.

    Raises `ValueError` for a horizon below one bar.
    """
    if horizon < 1:
        raise ValueError(f"expected a horizon of at least 1 bar, found {horizon}")
    wanted = history.open_time + horizon * BAR_SECONDS
    at = np.searchsorted(history.open_time, wanted)
    inside = np.minimum(at, len(history) - 1)
    return np.where(history.open_time[inside] == wanted, inside, -1) if len(history) else at


def forward_returns(history: History, horizon: int) -> NDArray[np.float64]:
    """log(C[t+T] / C[t]) of every bar, shape (n,), NaN where the target bar is missing.

    The label of row i is known when its target bar closes, at `open_time[i] + (horizon + 1) * 4 h`.
    Raises `ValueError` for a horizon below one bar.

    >>> import numpy as np
    >>> price = np.array([1.0, 2.0, 4.0])
    >>> gap_after_first = np.array([0, 2, 3]) * 14_400
    >>> forward_returns(History("A", gap_after_first, price, price, price, price, price), 1).round(3)
    array([  nan, 0.693,   nan])
    """
    rows = target_rows(history, horizon)
    known = rows >= 0
    labels = np.full(len(history), np.nan)
    labels[known] = np.log(history.close[rows[known]] / history.close[known])
    return labels


def label_close_times(history: History, horizon: int) -> NDArray[np.int64]:
    """Epoch seconds at which each bar's label becomes known, shape (n,): the close of its target bar."""
    return history.open_time + (horizon + 1) * BAR_SECONDS
