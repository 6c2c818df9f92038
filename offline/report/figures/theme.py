"""One look for all figures: dark text on white, one colour per horizon, a grid that stays behind."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from contracts.model.grid import HORIZONS

TEXT, GRID, NOMINAL, MISS, PRICE = "#1b1f24", "#e3e6ea", "#57606a", "#c0262d", "#1b1f24"
OUTER, INNER = "rgba(31,95,168,0.16)", "rgba(31,95,168,0.34)"
# Okabe and Ito's palette, which the colour-blind can part, darkened for white paper.
_COLORS = ("#0b5fa5", "#c25100", "#00795c", "#8f4a7c")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


def horizon_color(horizon: int) -> str:
    """The colour of a horizon, the same in every figure."""
    return _COLORS[HORIZONS.index(horizon) % len(_COLORS)] if horizon in HORIZONS else NOMINAL


def faded(color: str, opacity: float) -> str:
    """A hexadecimal colour, see-through.

    >>> faded("#0b5fa5", 0.2)
    'rgba(11,95,165,0.2)'
    """
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def safe(name: str) -> str:
    """A name from a file, for Plotly's labels, which understand some HTML."""
    return html.escape(name, quote=False)


def empty_figure(rows: int = 1, cols: int = 1, **more: Any) -> go.Figure:
    """A figure of `rows` × `cols` panels without a template: the page states its style once."""
    return make_subplots(rows=rows, cols=cols, **more)


def finish(figure: go.Figure, height_px: int, *, legend: bool = True) -> go.Figure:
    """Give a figure the common look; panels keep their own titles and ranges."""
    figure.update_layout(
        template="none",
        height=height_px,
        font={"family": FONT, "size": 13, "color": TEXT},
        paper_bgcolor="white",
        plot_bgcolor="white",
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 0.995, "yref": "container", "yanchor": "top"},
        margin={"l": 64, "r": 24, "t": 64 if legend else 36, "b": 56},
        hoverlabel={"font": {"family": FONT}},
        bargap=0.25,
    )
    axis = {
        "gridcolor": GRID,
        "linecolor": NOMINAL,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": NOMINAL,
        "automargin": True,
        "title_standoff": 8,
        "title_font": {"size": 13},
    }
    figure.update_xaxes(**axis, showline=True)
    figure.update_yaxes(**axis, showgrid=True)
    figure.update_annotations(font={"family": FONT, "size": 13, "color": TEXT})
    return figure
