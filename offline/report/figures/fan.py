"""Fan chart: the price, and the bands that had been issued for it one horizon earlier."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, INTERVALS
from offline.report.bands import HorizonBands, utc
from offline.report.figures.theme import INNER, MISS, OUTER, PRICE, empty_figure, finish, safe

EVERY_BARS = 6
"""One band a day: an eye parts no more over a year."""

SHOWN_BARS = 2_190
"""The last year of issued bands."""


def fan_figure(bands: HorizonBands, symbol: str) -> go.Figure:
    """The last year of one symbol's 90 % and 50 % bands, drawn at their target times."""
    column = bands.symbols.index(symbol)
    rows = np.arange(max(0, len(bands.times) - SHOWN_BARS), len(bands.times), EVERY_BARS)
    targets = bands.times[rows] + bands.horizon * BAR_SECONDS
    price = bands.ref_price[rows, column]
    ends = price[:, None] * np.exp(bands.quantiles[rows, column])
    happened = price * np.exp(bands.outcome[rows, column])
    figure = empty_figure()
    for coverage, color in zip(INTERVALS, (OUTER, INNER), strict=True):
        low, high = (ends[:, level] for level in INTERVALS[coverage])
        x, y = _polygons(targets, low, high)
        figure.add_scatter(
            x=x,
            y=y,
            fill="toself",
            mode="lines",
            line={"width": 0},
            fillcolor=color,
            hoverinfo="skip",
            name=f"{coverage:.0%} band, issued {bands.horizon} bars earlier".replace("%", " %"),
        )
    figure.add_scatter(
        x=utc(targets), y=happened, mode="lines", line={"color": PRICE, "width": 1.4}, name="what happened"
    )
    missed = bands.hits(0.90)[rows, column] == 0
    figure.add_scatter(
        x=utc(targets[missed]),
        y=happened[missed],
        mode="markers",
        marker={"color": MISS, "size": 5},
        name="outside the 90 % band",
    )
    finish(figure, 440)
    figure.update_xaxes(title_text="target time (UTC)", type="date")
    figure.update_yaxes(title_text=f"{safe(symbol)} close, quote currency (log scale)", type="log")
    figure.update_yaxes(**_log_ticks(np.concatenate((happened, ends[:, 0], ends[:, -1]))))
    return figure


def _polygons(
    times: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[list[str | None], list[float | None]]:
    """One closed outline per run of finite bands: a gap in the bands is a gap in the fan."""
    x: list[str | None] = []
    y: list[float | None] = []
    finite = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    for run in np.split(finite, np.flatnonzero(np.diff(finite) > 1) + 1):
        if len(run):
            there = utc(times[run])
            x += [*there, *reversed(there), None]
            y += [*high[run].tolist(), *low[run][::-1].tolist(), None]
    return x[:-1], y[:-1]


def _log_ticks(values: NDArray[np.float64]) -> dict[str, object]:
    """Round prices to label a log axis with: Plotly's own are bare digits of the mantissa."""
    finite = values[np.isfinite(values) & (values > 0)]
    if not len(finite):
        return {}
    low, high = float(finite.min()), float(finite.max())
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if high / low > 20 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    shown = [tick for tick in ticks if low / 1.02 <= tick <= high * 1.02]
    return {"tickvals": shown, "ticktext": [f"{tick:,.10g}" for tick in shown]} if len(shown) > 1 else {}
