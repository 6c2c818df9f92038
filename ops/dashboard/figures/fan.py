"""The trader's figure: candles, past bands against what happened, and the fan ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.events import Band
from contracts.model.grid import BAR_SECONDS
from ops.dashboard.figures.candles import (
    STEP_NAMES,
    Trace,
    aggregated,
    candlesticks,
    ms,
    ribbon,
    step_for,
    tidy,
)
from ops.dashboard.rows import BAR, Table, between, thinned
from ops.dashboard.theme import (
    EDGE,
    INNER,
    MISS,
    OUTER,
    PAST_INNER,
    PAST_OUTER,
    TEXT,
    Figure,
    axis,
    empty,
    figure,
    time_axis,
)
from ops.dashboard.words import days, moment, price

MOST_BANDS = 500
LOG_FROM = 5.0
"""A window whose highest price is this many times its lowest is drawn in logarithms."""
LEAST_AHEAD_S = 11 * 86_400
"""Room for the fan right of the newest bar: its longest horizon and a day."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the figure is drawn from. `window` is what is shown, epoch seconds; None is the newest `days`."""

    symbol: str
    horizon: int
    bars: Table
    bands: Table
    """Records of `horizon`."""
    newest: Mapping[int, Band]
    """The newest record of every horizon."""
    days: float
    window: tuple[float, float] | None = None
    rev: str = "0"


def bands_figure(scene: Scene) -> Figure:
    """One figure of at most some hundred candles and bands, however long the window is."""
    bars = scene.bars if len(scene.bars) else _closes(scene.bands)
    if not len(bars):
        return empty(f"No bars and no bands of {scene.symbol} yet")
    start, stop = shown = scene.window or _newest_window(bars, scene.days)
    pad = 0.25 * (stop - start)  # so that a drag shows something before the server has answered
    part = between(bars, start - pad, stop + pad)
    step = step_for((stop - start) / BAR_SECONDS)
    candles = aggregated(part, step)
    bands, judged = _past(scene, start - pad, stop + pad)
    traces: list[Trace] = []
    if len(bands):
        traces += _past_bands(scene.horizon, bands)
    if len(candles):
        traces.append(candlesticks(candles, f"{scene.symbol}, one candle is {STEP_NAMES[step]}"))
    traces += _misses(scene, judged)
    traces += _fan(scene)
    low, high = _heights(part, bands, scene, shown)
    room = 0.04 * (high - low) or 0.01 * high
    scale: dict[str, Any] = {"range": [low - room, high + room]}
    if low > 0 and high > LOG_FROM * low:
        edge = 0.04 * np.log10(high / low)
        scale = {"type": "log", "dtick": "D2", "range": [np.log10(low) - edge, np.log10(high) + edge]}
    return figure(
        traces,
        f"{scene.symbol}|{scene.rev}",
        xaxis=time_axis(range=[1_000 * start, 1_000 * stop], rangeslider={"visible": False}),
        yaxis=axis(title="price, quote currency", fixedrange=True, tickformat=",.6~g", **scale),
        dragmode="pan",
        hovermode="closest",
        meta={"step": step, "bars": len(part), "newest": int(bars["at"][-1])},
    )


def _newest_window(bars: Table, span_days: float) -> tuple[float, float]:
    newest = float(bars["at"][-1])
    start = max(newest - span_days * 86_400, float(bars["at"][0]) - BAR_SECONDS)
    ahead = max(LEAST_AHEAD_S, 0.03 * (newest - start))
    return start, newest + ahead


def _closes(bands: Table) -> Table:
    """Closes where bars are not kept any more: a record's reference price is one."""
    table = np.empty(len(bands), BAR)
    table["at"] = bands["at"]
    for name in ("open", "high", "low", "close"):
        table[name] = bands["ref"]
    return table


def _past(scene: Scene, start: float, stop: float) -> tuple[Table, Table]:
    """The records whose target time lies in the window and has come: thinned to be drawn, and all of them."""
    reach = scene.horizon * BAR_SECONDS
    bars = scene.bars if len(scene.bars) else _closes(scene.bands)
    newest = float(bars["at"][-1])
    due = between(scene.bands, start - reach, min(stop, newest) - reach)
    return thinned(due, MOST_BANDS), due


def _past_bands(horizon: int, bands: Table) -> list[Trace]:
    reach = horizon * BAR_SECONDS
    at, ends = bands["at"] + reach, bands["ref"][:, None] * np.exp(bands["q"])
    gap_s = 3.5 * max(float(np.median(np.diff(at))) if len(at) > 1 else 0.0, BAR_SECONDS)
    told = f"bands issued {days(horizon)} before: 90 % and 50 %"
    inner = {"fillcolor": PAST_INNER, "name": "50 %", "legendgroup": "past", "showlegend": False}
    return [
        ribbon(at, ends[:, 0], ends[:, 4], gap_s, fillcolor=PAST_OUTER, name=told, legendgroup="past"),
        ribbon(at, ends[:, 1], ends[:, 3], gap_s, **inner),
    ]


def _misses(scene: Scene, due: Table) -> list[Trace]:
    """Closes outside the 90 % band that was issued for them, and how many there were."""
    bars = scene.bars if len(scene.bars) else _closes(scene.bands)
    target = due["at"] + scene.horizon * BAR_SECONDS
    where = np.searchsorted(bars["at"], target)
    there = where < len(bars)
    there[there] &= bars["at"][where[there]] == target[there]
    there &= np.isfinite(due["q"][:, 0])
    due, close = due[there], bars["close"][where[there]]
    if not len(due):
        return []
    y = np.log(close / due["ref"])
    out = (y < due["q"][:, 0]) | (y > due["q"][:, 4])
    missed, close = due[out], close[out]
    ends = missed["ref"][:, None] * np.exp(missed["q"])
    keep = slice(None, None, max(1, -(-len(missed) // MOST_BANDS)))
    words = [f"{price(low)} – {price(high)}" for low, high in ends[keep][:, (0, 4)].tolist()]
    share = 100 * float(1 - out.mean())
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"outside their 90 % band ({share:.0f} % of {len(due):,} inside)",
            "x": ms(missed["at"][keep] + scene.horizon * BAR_SECONDS),
            "y": tidy(close[keep]),
            "customdata": words,
            "marker": {"color": MISS, "size": 6, "symbol": "x-thin-open", "line": {"width": 1.8}},
            "hovertemplate": "close %{y:,.6~g}, outside %{customdata}<br>%{x}<extra></extra>",
        }
    ]


def _fan(scene: Scene) -> list[Trace]:
    newest = max((band.issued_at for band in scene.newest.values()), default=None)
    told = [
        (horizon, band, band.prices)
        for horizon, band in sorted(scene.newest.items())
        if band.prices is not None and band.issued_at == newest
    ]
    if not told:
        return []
    first = told[0][1]
    at = np.array([first.issued_at.timestamp(), *(band.target_time.timestamp() for _, band, _ in told)])
    ref = np.full((1, 5), first.ref_price)
    ends = np.vstack([ref, [[q.q05, q.q25, q.q50, q.q75, q.q95] for _, _, q in told]])
    gap_s = float("inf")
    inner = {"fillcolor": INNER, "name": "50 %", "legendgroup": "fan", "showlegend": False}
    traces = [
        ribbon(
            at,
            ends[:, 0],
            ends[:, 4],
            gap_s,
            fillcolor=OUTER,
            name="newest bands: 90 % and 50 %",
            legendgroup="fan",
        ),
        ribbon(at, ends[:, 1], ends[:, 3], gap_s, **inner),
        {
            "type": "scatter",
            "mode": "lines",
            "x": ms(at),
            "y": tidy(ends[:, 2]),
            "line": {"color": EDGE, "width": 1.4, "dash": "dot"},
            "name": "median",
            "showlegend": False,
            "hoverinfo": "skip",
        },
    ]
    for horizon, band, q in told:
        chosen = horizon == scene.horizon
        at_target = int(band.target_time.timestamp())
        label = (
            f"<b>{band.symbol} T{horizon}</b>, in {days(horizon)}<br>{moment(at_target)}<br>"
            f"90 %: {price(q.q05)} – {price(q.q95)}<br>50 %: {price(q.q25)} – {price(q.q75)}<br>"
            f"median: {price(q.q50)}"
        )
        traces.append(_stick(horizon, at_target, [q.q05, q.q25, q.q50, q.q75, q.q95], label, chosen=chosen))
    return traces


def _stick(horizon: int, at: int, q: list[float], label: str, *, chosen: bool) -> Trace:
    stick: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"T{horizon}",
        "x": [at * 1_000] * 5,
        "y": tidy(np.array(q)),
        "line": {"color": TEXT if chosen else EDGE, "width": 2 if chosen else 1},
        "marker": {"size": [7, 5, 6, 5, 7], "symbol": ["line-ew-open"] * 5, "line": {"width": 2}},
        "hovertemplate": f"{label}<extra></extra>",
        "showlegend": False,
    }
    return stick


def _heights(part: Table, bands: Table, scene: Scene, shown: tuple[float, float]) -> tuple[float, float]:
    """Lowest and highest of what lies in the window: the price axis follows the time axis."""
    start, stop = shown
    bars = between(part, start, stop)
    values = [bars["low"], bars["high"]]
    target = bands["at"] + scene.horizon * BAR_SECONDS
    seen = bands[(target >= start) & (target <= stop)]
    if len(seen):
        values += [seen["ref"] * np.exp(seen["q"][:, 0]), seen["ref"] * np.exp(seen["q"][:, 4])]
    for band in scene.newest.values():
        if (
            band.prices is not None
            and start <= band.target_time.timestamp()
            and band.issued_at.timestamp() <= stop
        ):
            values.append(np.array([band.prices.q05, band.prices.q95]))
    every = np.concatenate(values)
    every = every[np.isfinite(every)]
    if not len(every):
        return 0.0, 1.0
    return float(every.min()), float(every.max())
