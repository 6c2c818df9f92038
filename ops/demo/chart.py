"""The bands as a picture: a self-contained HTML page with Plotly inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from contracts.events import Band
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import HORIZONS, iso

EVERY_BARS = 6
"""One band a day is drawn: more overlap beyond what an eye can part."""

OUTER, INNER, LINE, MISS = "rgba(38,110,190,0.18)", "rgba(38,110,190,0.35)", "#1b1f24", "#d1242f"


def write_chart(file: Path, records: Sequence[Band], histories: Sequence[History]) -> Path:
    """Write one panel per symbol and horizon: the price, and where the bands of T bars earlier saw it."""
    symbols = sorted({record.symbol for record in records if record.is_band})
    titles = [
        f"{symbol}, {horizon} bars ({horizon // 6} days) ahead" for symbol in symbols for horizon in HORIZONS
    ]
    rows = max(1, len(titles))
    figure = make_subplots(rows=rows, cols=1, subplot_titles=titles, vertical_spacing=0.35 / max(rows, 4))
    row = 0
    for symbol in symbols:
        history = next(h for h in histories if h.symbol == symbol)
        for horizon in HORIZONS:
            row += 1
            _panel(
                figure, row, [r for r in records if r.symbol == symbol and r.horizon_bars == horizon], history
            )
    figure.update_layout(
        title="Calibrated bands against what happened: 50 % and 90 % of closes belong inside",
        height=80 + 430 * rows,
        template="plotly_white",
        hovermode="x unified",
        margin={"l": 60, "r": 30, "t": 90, "b": 40},
    )
    page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, page.encode())
    return file


def _panel(figure: go.Figure, row: int, records: list[Band], history: History) -> None:
    drawn = [record for record in records if record.prices is not None][::EVERY_BARS]
    if not drawn:
        return
    times = [record.target_time for record in drawn]
    first = row == 1
    for low, high, color, name in (("q05", "q95", OUTER, "90 % band"), ("q25", "q75", INNER, "50 % band")):
        lower = [getattr(record.prices, low) for record in drawn]
        upper = [getattr(record.prices, high) for record in drawn]
        figure.add_scatter(
            x=times, y=upper, line={"width": 0}, showlegend=False, hoverinfo="skip", row=row, col=1
        )
        figure.add_scatter(
            x=times, y=lower, line={"width": 0}, fill="tonexty", fillcolor=color, name=name,
            legendgroup=name, showlegend=first, hoverinfo="skip", row=row, col=1,
        )  # fmt: skip
    opened = int(drawn[0].open_time.timestamp())
    last = int(drawn[-1].target_time.timestamp())
    shown = history.between(opened, last)
    closes = [iso(t + 14_400) for t in shown.open_time.tolist()]
    figure.add_scatter(
        x=closes, y=shown.close, line={"color": LINE, "width": 1.2}, name="close",
        legendgroup="close", showlegend=first, row=row, col=1,
    )  # fmt: skip
    by_close = dict(zip((shown.open_time + 14_400).tolist(), shown.close.tolist(), strict=True))
    missed = [
        (record.target_time, price)
        for record in drawn
        if record.prices is not None
        and (price := by_close.get(int(record.target_time.timestamp()), np.nan)) == price
        and not record.prices.q05 <= price <= record.prices.q95
    ]
    figure.add_scatter(
        x=[t for t, _ in missed], y=[p for _, p in missed], mode="markers",
        marker={"color": MISS, "size": 6}, name="outside the 90 % band",
        legendgroup="miss", showlegend=first, row=row, col=1,
    )  # fmt: skip
    figure.update_yaxes(type="log", row=row, col=1)
