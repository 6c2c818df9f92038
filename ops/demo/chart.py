"""The bands as a picture: a self-contained HTML page with Plotly inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from contracts.events import Band
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time, iso

EVERY_BARS = 6
"""One band a day is drawn: more overlap beyond what an eye can part."""

FAN_HISTORY_BARS = 180
PANEL_PX = 340

OUTER, INNER, LINE, MISS = "rgba(38,110,190,0.18)", "rgba(38,110,190,0.35)", "#1b1f24", "#d1242f"
INTERVALS = (("q05", "q95", OUTER, "90 % band"), ("q25", "q75", INNER, "50 % band"))


def write_chart(file: Path, records: Sequence[Band], histories: Sequence[History]) -> Path:
    """Write the newest fan of each symbol, then per horizon the price and where bands had seen it."""
    served = [record for record in records if record.prices is not None]
    symbols = sorted({record.symbol for record in served})
    titles, panels = [], []
    for symbol in symbols:
        history = next(h for h in histories if h.symbol == symbol)
        mine = [record for record in served if record.symbol == symbol]
        newest = max(record.issued_at for record in mine)
        titles.append(f"{symbol}: the newest bands, issued {newest:%Y-%m-%d %H:%M} UTC")
        panels.append((_draw_fan, [r for r in mine if r.issued_at == newest], history))
        for horizon in HORIZONS:
            titles.append(f"{symbol}: bands of {horizon} bars ({horizon // 6} days) earlier")
            panels.append((_draw_past, [r for r in mine if r.horizon_bars == horizon], history))
    rows = max(1, len(panels))
    figure = make_subplots(
        rows=rows, cols=1, subplot_titles=titles, vertical_spacing=60 / (PANEL_PX * rows) if rows > 1 else 0
    )
    for row, (draw, chosen, history) in enumerate(panels, 1):
        draw(figure, row, chosen, history)
    figure.update_layout(
        title="Calibrated bands against what happened: 90 % and 50 % of closes belong inside",
        height=120 + PANEL_PX * rows,
        template="plotly_white",
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1 + 40 / (PANEL_PX * rows), "x": 0},
        margin={"l": 60, "r": 30, "t": 130, "b": 40},
    )
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
    page = page.replace("<head>", "<head><title>Quant Bands</title>", 1)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, page.encode())
    return file


def _draw_fan(figure: go.Figure, row: int, records: list[Band], history: History) -> None:
    """The last month of closes, and where the next ten days may lead from there."""
    records = sorted(records, key=lambda record: record.horizon_bars)
    issued = int(records[0].issued_at.timestamp())
    times = [iso(issued), *(record.target_time for record in records)]
    for low, high, color, name in INTERVALS:
        start = records[0].ref_price
        lower = [start, *(getattr(record.prices, low) for record in records)]
        upper = [start, *(getattr(record.prices, high) for record in records)]
        _draw_band(figure, row, times, lower, upper, color, name)
    _draw_close(figure, row, history.between(issued - FAN_HISTORY_BARS * BAR_SECONDS, issued))


def _draw_past(figure: go.Figure, row: int, records: list[Band], history: History) -> None:
    drawn = records[::EVERY_BARS]
    times = [record.target_time for record in drawn]
    for low, high, color, name in INTERVALS:
        lower = [getattr(record.prices, low) for record in drawn]
        upper = [getattr(record.prices, high) for record in drawn]
        _draw_band(figure, row, times, lower, upper, color, name)
    shown = history.between(int(drawn[0].open_time.timestamp()), int(drawn[-1].target_time.timestamp()))
    _draw_close(figure, row, shown)
    closes = dict(zip((shown.open_time + BAR_SECONDS).tolist(), shown.close.tolist(), strict=True))
    missed = [
        (record.target_time, price)
        for record in drawn
        if record.prices is not None
        and (price := closes.get(int(record.target_time.timestamp()))) is not None
        and not record.prices.q05 <= price <= record.prices.q95
    ]
    figure.add_scatter(
        x=[time for time, _ in missed],
        y=[price for _, price in missed],
        mode="markers",
        marker={"color": MISS, "size": 6},
        name="outside the 90 % band",
        legendgroup="miss",
        showlegend=row == 2,
        row=row,
        col=1,
    )
    figure.update_yaxes(type="log", row=row, col=1)


def _draw_band(
    figure: go.Figure,
    row: int,
    times: Sequence[object],
    lower: list[float],
    upper: list[float],
    color: str,
    name: str,
) -> None:
    edge = {"x": times, "line": {"width": 0}, "mode": "lines", "hoverinfo": "skip", "legendgroup": name}
    figure.add_scatter(y=upper, showlegend=False, row=row, col=1, **edge)
    figure.add_scatter(
        y=lower, fill="tonexty", fillcolor=color, name=name, showlegend=row == 1, row=row, col=1, **edge
    )


def _draw_close(figure: go.Figure, row: int, shown: History) -> None:
    figure.add_scatter(
        x=[iso(close_time(opened)) for opened in shown.open_time.tolist()],
        y=shown.close,
        line={"color": LINE, "width": 1.2},
        name="close",
        legendgroup="close",
        showlegend=row == 1,
        row=row,
        col=1,
    )
