"""PIT histogram: the share of outcomes in each of the six cells that five quantiles cut, and no finer."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from offline.metrics import Estimate
from offline.report.bands import CELL_SHARES, CELLS
from offline.report.figures.reliability import errors
from offline.report.figures.theme import TEXT, empty_figure, finish, horizon_color

CELL_HALF_WIDTH = 0.42


def pit_figure(cells: Sequence[tuple[int, Sequence[Estimate]]]) -> go.Figure:
    """Bars per horizon and cell with 90 % intervals; a line across each cell is its nominal share."""
    figure = empty_figure()
    positions = list(range(len(CELLS)))
    for horizon, estimates in cells:
        color = horizon_color(horizon)
        figure.add_bar(
            x=positions,
            y=[100 * estimate.value for estimate in estimates],
            error_y=errors(estimates, TEXT),
            marker={"color": color},
            name=f"T{horizon}",
        )
    x: list[float | None] = []
    y: list[float | None] = []
    for position, share in zip(positions, CELL_SHARES, strict=True):
        x += [position - CELL_HALF_WIDTH, position + CELL_HALF_WIDTH, None]
        y += [100 * share, 100 * share, None]
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": TEXT, "width": 2.5}, name="nominal share")
    finish(figure, 400)
    figure.update_xaxes(
        title_text="where the outcome fell among the issued quantiles",
        tickvals=positions,
        ticktext=list(CELLS),
    )
    figure.update_yaxes(title_text="share of outcomes (%)", rangemode="tozero")
    return figure
