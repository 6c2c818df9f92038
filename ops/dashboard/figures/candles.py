"""Bars and bands as traces, no more of them than an eye can part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS
from ops.dashboard.rows import Table
from ops.dashboard.theme import DOWN, UP

MOST_CANDLES = 420
STEPS = (1, 2, 3, 6, 12, 18, 42, 84, 180)
"""Bars of one candle: 4, 8, 12 hours, 1, 2, 3 days, 1, 2 weeks, a month."""
STEP_NAMES = {1: "4 hours", 2: "8 hours", 3: "12 hours", 6: "1 day", 12: "2 days", 18: "3 days"} | {
    42: "1 week",
    84: "2 weeks",
    180: "30 days",
}
Trace = dict[str, Any]


def ms(at: NDArray[Any]) -> list[int]:
    """Epoch seconds as the milliseconds of a time axis."""
    return [int(second) * 1_000 for second in at]


def step_for(bars: float) -> int:
    """How many bars one candle takes, so that no more than `MOST_CANDLES` are drawn."""
    return next((step for step in STEPS if bars / step <= MOST_CANDLES), STEPS[-1])


def aggregated(table: Table, step: int) -> Table:
    """Candles of `step` bars each, on a calendar grid of its own; `at` is the last bar's close.

    >>> from ops.dashboard.rows import BAR
    >>> bars = np.array([(14_400 * n, n, n + 2, n - 1, n + 1) for n in range(1, 13)], BAR)
    >>> aggregated(bars, 6)[["open", "high", "low", "close"]].tolist()
    [(1.0, 8.0, 0.0, 7.0), (7.0, 14.0, 6.0, 13.0)]
    """
    if step == 1 or not len(table):
        return table
    group = (table["at"] - BAR_SECONDS) // (step * BAR_SECONDS)
    starts = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    ends = np.append(starts[1:], len(table)) - 1
    found = np.empty(len(starts), table.dtype)
    found["at"], found["open"], found["close"] = (
        table["at"][ends],
        table["open"][starts],
        table["close"][ends],
    )
    found["high"] = np.maximum.reduceat(table["high"], starts)
    found["low"] = np.minimum.reduceat(table["low"], starts)
    return found


def candlesticks(table: Table, name: str) -> Trace:
    """Bars as candles at their close time."""
    return {
        "type": "candlestick",
        "name": name,
        "x": ms(table["at"]),
        **{side: tidy(table[side]) for side in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": UP, "width": 1.2}, "fillcolor": UP},
        "decreasing": {"line": {"color": DOWN, "width": 1.2}, "fillcolor": DOWN},
        "yhoverformat": ",.6~g",
    }


def ribbon(at: NDArray[Any], low: NDArray[Any], high: NDArray[Any], gap_s: float, **look: Any) -> Trace:
    """One closed outline per run without gaps: a hole in the bands stays a hole."""
    x: list[int | None] = []
    y: list[float | None] = []
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    cuts = np.flatnonzero((np.diff(known) > 1) | (np.diff(at[known]) > gap_s)) + 1
    for run in np.split(known, cuts):
        if len(run):
            there = ms(at[run])
            x += [*there, *reversed(there), None]
            y += [*tidy(high[run]), *tidy(low[run][::-1]), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x[:-1],
        "y": y[:-1],
        "fill": "toself",
        "line": {"width": 0},
        "hoverinfo": "skip",
        **look,
    }


def tidy(values: NDArray[Any]) -> list[float]:
    """Numbers to seven digits: half the bytes, and no eye sees the rest."""
    return [float(f"{value:.7g}") for value in values.tolist()]
