"""Reliability diagram: how many outcomes fell below each quantile, against how many should."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from contracts.model.grid import LEVELS
from offline.metrics import Estimate
from offline.report.figures.theme import NOMINAL, empty_figure, finish, horizon_color

DODGE_POINTS = 1.1
"""Horizons stand beside each other at a level, or their intervals would hide each other."""


def reliability_figure(below: Sequence[tuple[int, Sequence[Estimate]]]) -> go.Figure:
    """Left observed against nominal; right the difference in points, where an interval can be read."""
    figure = empty_figure(
        1,
        2,
        column_widths=[0.4, 0.6],
        horizontal_spacing=0.1,
        subplot_titles=["observed against nominal", "difference, with 90 % intervals"],
    )
    line = {"color": NOMINAL, "width": 1, "dash": "dash"}
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, name="perfect", row=1, col=1)
    nominal = [100 * level for level in LEVELS]
    for number, (horizon, estimates) in enumerate(below):
        color, name = horizon_color(horizon), f"T{horizon}"
        share = [100 * estimate.value for estimate in estimates]
        figure.add_scatter(
            x=nominal,
            y=share,
            mode="markers+lines",
            marker={"color": color, "size": 6},
            line={"color": color, "width": 1},
            legendgroup=name,
            name=name,
            row=1,
            col=1,
        )
        shift = DODGE_POINTS * (number - (len(below) - 1) / 2)
        figure.add_scatter(
            x=[level + shift for level in nominal],
            y=[value - level for value, level in zip(share, nominal, strict=True)],
            error_y=errors(estimates, color),
            mode="markers",
            marker={"color": color, "size": 7},
            legendgroup=name,
            showlegend=False,
            name=name,
            row=1,
            col=2,
        )
    figure.add_hline(y=0, line=line, row=1, col=2)  # drawn only on a panel that holds something
    finish(figure, 440)
    figure.update_xaxes(title_text="quantile level (%)", tickvals=nominal, range=[-1, 101])
    figure.update_yaxes(
        title_text="outcomes at or below (%)", range=[-1, 101], tickvals=nominal, row=1, col=1
    )
    figure.update_yaxes(title_text="observed − nominal (points)", row=1, col=2)
    return figure


def errors(estimates: Sequence[Estimate], color: str) -> dict[str, object]:
    """Asymmetric error bars in percent; none where there is no interval."""
    highs = [0.0 if e.high is None else 100 * (e.high - e.value) for e in estimates]
    lows = [0.0 if e.low is None else 100 * (e.value - e.low) for e in estimates]
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high) for high in highs],
        "arrayminus": [max(0.0, low) for low in lows],
        "color": color,
        "thickness": 1.3,
        "width": 3,
        "visible": any(highs) or any(lows),
    }
