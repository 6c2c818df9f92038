"""One look for all figures, as plain dicts: plotly's own classes take ten times as long to build."""

from __future__ import annotations

import html
import textwrap
from typing import Any

from contracts.model.grid import HORIZONS

TEXT, MUTED, GRID, LINE = "#1b1f24", "#57606a", "#e8ebef", "#c3c9d0"
UP, DOWN = "#5b8fc7", "#d08a4b"
OUTER, INNER, EDGE = "rgba(11,95,165,0.13)", "rgba(11,95,165,0.26)", "#0b5fa5"
PAST_OUTER, PAST_INNER = "rgba(87,96,106,0.13)", "rgba(87,96,106,0.17)"
MISS, GOOD, WARN = "#c0262d", "#00795c", "#b35900"
# Okabe and Ito's palette, which the colour-blind can part, darkened for white paper.
COLORS = ("#0b5fa5", "#c25100", "#00795c", "#8f4a7c")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"

Figure = dict[str, Any]
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    # Named one by one: Plotly's own choice has a button that sends the figure's data away.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}


def color(horizon: int) -> str:
    """The colour of a horizon, the same in every figure."""
    return COLORS[HORIZONS.index(horizon)] if horizon in HORIZONS else MUTED


def axis(**more: Any) -> dict[str, Any]:
    """An axis in the common look."""
    title = more.pop("title", "")
    named = {"title": {"text": title, "standoff": 10, "font": {"size": 12, "color": MUTED}}} if title else {}
    return {
        "gridcolor": GRID,
        "linecolor": LINE,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": 12, "color": MUTED},
        **named,
        **more,
    }


def time_axis(**more: Any) -> dict[str, Any]:
    """A time axis; values are milliseconds UTC."""
    return axis(
        **{
            "type": "date",
            "showgrid": True,
            "hoverformat": "%a %d %b %Y, %H:%M UTC",
            "tickformatstops": [
                {"dtickrange": [None, 86_399_999], "value": "%H:%M\n%d %b"},
                {"dtickrange": [86_400_000, 604_800_000], "value": "%d %b\n%Y"},
                {"dtickrange": [604_800_001, "M1"], "value": "%d %b\n%Y"},
                {"dtickrange": ["M1", None], "value": "%b\n%Y"},
            ],
            **more,
        }
    )


def figure(data: list[dict[str, Any]], rev: str, **layout: Any) -> Figure:
    """A figure that keeps zoom and hidden traces for as long as `rev` stays the same."""
    return {
        "data": data,
        "layout": {
            "font": {"family": FONT, "size": 12, "color": TEXT},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 56, "r": 16, "t": 36, "b": 8},
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}},
            "hoverlabel": {"font": {"family": FONT, "size": 12}, "bgcolor": "#ffffff", "bordercolor": LINE},
            "modebar": {"bgcolor": "rgba(255,255,255,0.85)", "color": MUTED, "activecolor": EDGE},
            "uirevision": rev,
            **layout,
        },
    }


def empty(words: str) -> Figure:
    """A figure that says in words why there is none."""
    hidden = {"visible": False, "fixedrange": True}
    note = {
        "text": words,
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "showarrow": False,
        "font": {"size": 14, "color": MUTED},
    }
    return figure([], "empty", xaxis=hidden, yaxis=hidden, annotations=[note], meta="empty")


def wrapped(text: str, width: int = 60) -> str:
    """Text for a hover label: escaped, since labels understand some HTML, and broken into lines."""
    return "<br>".join(html.escape(line, quote=False) for line in textwrap.wrap(text, width)) or "–"
