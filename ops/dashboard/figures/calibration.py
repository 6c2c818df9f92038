"""Whether the bands hold what they promise: coverage, width, ranks and the conformal correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from contracts.model.grid import BAR_SECONDS
from ops.dashboard.figures.candles import Trace, ms, tidy
from ops.dashboard.rows import Table, between
from ops.dashboard.scores import WINDOW_BARS, pooled, rolling, wilson
from ops.dashboard.theme import GRID, MUTED, Figure, axis, color, empty, figure, time_axis
from ops.dashboard.words import days

MOST_POINTS = 400
BINS = 10
By = Mapping[int, Sequence[Table]]
"""Tables by horizon, one per symbol."""
LEAST_EFFECTIVE = 2.0
"""Rolling means of fewer independent outcomes say nothing."""


def coverage_figure(outcomes: By, chosen: int, since: float, about: str) -> Figure:
    """Rolling coverage of both intervals of every horizon, with the interval of the chosen one."""
    traces: list[Trace] = []
    ends: list[int] = []
    for horizon, tables in sorted(outcomes.items(), key=lambda item: item[0] == chosen):
        for field, level in (("hit_90", 90), ("hit_50", 50)):
            at, hit = pooled(tables, field)
            told = rolling(at, hit, horizon)
            keep = np.flatnonzero((told.effective >= LEAST_EFFECTIVE) & (at >= since))
            keep = keep[:: -(-len(keep) // MOST_POINTS) or 1]
            if not len(keep):
                continue
            ends += [int(at[keep[0]]), int(at[keep[-1]])]
            if horizon == chosen:
                low, high = wilson(told.mean[keep], told.effective[keep])
                traces.append(_strip(at[keep], 100 * low, 100 * high, chosen, first=level == 90))
            traces.append(_line(horizon, level, at[keep], told, keep, chosen=horizon == chosen))
    if not traces:
        return empty(
            f"No rolling coverage of {about} yet:<br>it takes {LEAST_EFFECTIVE:g} horizons of closed bands"
        )
    lines = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level}
        | {"line": {"color": MUTED, "width": 1.2, "dash": "dash"}}
        for level in (90, 50)
    ]
    return figure(
        traces,
        f"coverage|{about}|{since:.0f}",
        shapes=lines,
        xaxis=time_axis(range=[1_000 * min(ends), 1_000 * max(ends)]),
        yaxis=axis(title="outcomes inside the band, %", range=[0, 103], dtick=10),
        hovermode="closest",
    )


def _line(horizon: int, level: int, at: Any, told: Any, keep: Any, *, chosen: bool) -> Trace:
    low, high = wilson(told.mean[keep], told.effective[keep])
    words = [
        f"{100 * a:.0f} – {100 * b:.0f} % by {n:.1f} independent outcomes"
        for a, b, n in zip(low.tolist(), high.tolist(), told.effective[keep].tolist(), strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"T{horizon}, {days(horizon)}",
        "legendgroup": f"T{horizon}",
        "showlegend": level == 90,
        "x": ms(at),
        "y": tidy(100 * told.mean[keep]),
        "customdata": words,
        "line": {"color": color(horizon), "width": 2.4 if chosen else 1.1},
        "opacity": 1 if chosen else 0.55,
        "hovertemplate": f"<b>T{horizon}, {level} % band</b>: %{{y:.1f}} %<br>%{{customdata}}<br>"
        "90 days to %{x}<extra></extra>",
    }


def _strip(at: Any, low: Any, high: Any, horizon: int, *, first: bool) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"90 % interval of T{horizon}, by independent outcomes",
        "legendgroup": "interval",
        "showlegend": first,
        "x": [*ms(at), *reversed(ms(at))],
        "y": [*tidy(high), *tidy(low[::-1])],
        "fill": "toself",
        "fillcolor": f"{color(horizon)}22",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def width_figure(bands: By, chosen: int, since: float, about: str) -> Figure:
    """Width of the 90 % band in per cent of the price, per horizon."""
    traces: list[Trace] = []
    for horizon, tables in sorted(bands.items()):
        at, width = pooled([_widths(between(one, since, np.inf)) for one in tables], "width")
        if len(at):
            keep = _thin(len(at))
            traces.append(
                _plain(horizon, at[keep], width[keep], "%{y:.2f} % of the price", horizon == chosen)
            )
    if not traces:
        return empty(f"No bands of {about} yet")
    return figure(
        traces,
        f"width|{about}|{since:.0f}",
        xaxis=time_axis(),
        yaxis=axis(title="width of the 90 % band, % of price", rangemode="tozero", ticksuffix=""),
        hovermode="closest",
    )


def _widths(bands: Table) -> Table:
    told = np.zeros(len(bands), [("at", "i8"), ("width", "f8")])
    told["at"] = bands["at"]
    told["width"] = 100 * (np.exp(bands["q"][:, 4]) - np.exp(bands["q"][:, 0]))
    return told


def pit_figure(outcomes: Sequence[Table], chosen: int, since: float, about: str) -> Figure:
    """Where outcomes fell among the quantiles: flat when calibrated; the strip is what chance allows."""
    parts = [between(one, since, np.inf) for one in outcomes]
    ranks = np.concatenate([one["pit"] for one in parts]) if parts else np.empty(0)
    ranks = ranks[np.isfinite(ranks)]
    if not len(ranks):
        return empty(f"No closed bands of {about} yet")
    share = 100 * np.histogram(ranks, bins=BINS, range=(0, 1))[0] / len(ranks)
    moments = len(np.unique(np.concatenate([one["at"] for one in parts])))
    effective = max(1.0, moments / chosen)
    low, high = wilson(1 / BINS, effective)
    edges = (np.arange(BINS) + 0.5) / BINS
    words = [f"{100 * n / BINS:.0f} – {100 * (n + 1) / BINS:.0f} %" for n in range(BINS)]
    bars: Trace = {
        "type": "bar",
        "x": edges.tolist(),
        "y": tidy(share),
        "width": [0.92 / BINS] * BINS,
        "customdata": words,
        "marker": {"color": color(chosen), "opacity": 0.75},
        "hovertemplate": "%{y:.1f} % of outcomes between the<br>%{customdata} quantiles<extra></extra>",
        "showlegend": False,
    }
    strip = {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 100 * float(low),
        "y1": 100 * float(high),
    }
    even = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 / BINS, "y1": 100 / BINS}
    return figure(
        [bars],
        f"pit|{about}|{since:.0f}",
        shapes=[
            strip | {"fillcolor": GRID, "line": {"width": 0}, "layer": "below"},
            even | {"line": {"color": MUTED, "width": 1.2, "dash": "dash"}},
        ],
        xaxis=axis(title="rank of the outcome in its band", range=[0, 1], dtick=0.25, tickformat=".0%"),
        yaxis=axis(title="share of outcomes, %", rangemode="tozero"),
        bargap=0.05,
        meta={"ranks": len(ranks), "effective": effective},
    )


def q_hat_figure(bands: Sequence[Table], chosen: int, since: float, about: str) -> Figure:
    """The conformal correction of the chosen horizon through time, in units of σ√T."""
    traces: list[Trace] = []
    for field, name, dash in (("q_hat_90", "90 % band", "solid"), ("q_hat_50", "50 % band", "dot")):
        at, value = pooled([between(one, since, np.inf) for one in bands], field)
        if len(at):
            keep = _thin(len(at))
            line = _plain(chosen, at[keep], value[keep], "%{y:.3f} σ√T", True)
            traces.append(line | {"name": name, "line": {"color": color(chosen), "width": 2, "dash": dash}})
    if not traces:
        return empty(f"No bands of {about} yet")
    return figure(
        traces,
        f"q_hat|{about}|{chosen}|{since:.0f}",
        xaxis=time_axis(),
        yaxis=axis(title=f"q̂ of T{chosen}, units of σ√T", zeroline=True, zerolinecolor=MUTED),
        hovermode="closest",
    )


def _plain(horizon: int, at: Any, y: Any, hover: str, chosen: bool) -> Trace:
    x: list[int | None] = []
    shown: list[float | None] = []
    gap_s = 3.5 * max(float(np.median(np.diff(at))) if len(at) > 1 else 0.0, BAR_SECONDS)
    for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > gap_s) + 1):
        x += [*ms(at[run]), None]
        shown += [*tidy(y[run]), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"T{horizon}, {days(horizon)}",
        "x": x[:-1],
        "y": shown[:-1],
        "line": {"color": color(horizon), "width": 2.2 if chosen else 1.2},
        "hovertemplate": f"<b>T{horizon}</b>: {hover}<br>%{{x}}<extra></extra>",
    }


def _thin(count: int) -> slice:
    step = max(1, -(-count // MOST_POINTS))
    return slice((count - 1) % step, None, step)


def window_words() -> str:
    """The rolling window in words."""
    return f"{WINDOW_BARS * BAR_SECONDS // 86_400} days"
