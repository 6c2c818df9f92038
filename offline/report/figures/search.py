"""HPO history: what each finished trial scored, the best so far, and which were pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from offline.report.figures.theme import MISS, NOMINAL, empty_figure, finish, horizon_color
from offline.report.trials import TrialPoint


def search_figure(trials: Mapping[int, Sequence[TrialPoint]]) -> go.Figure:
    """One panel per horizon that has trials; pruned ones are ticks below, having no whole loss."""
    columns = 2 if len(trials) > 1 else 1
    rows = -(-len(trials) // columns)
    titles = []
    for horizon, points in trials.items():
        pruned = sum(point.value is None for point in points)
        titles.append(
            f"T{horizon}: {len(points)} trials, {pruned / max(1, len(points)):.0%} pruned".replace("%", " %")
        )
    figure = empty_figure(
        rows,
        columns,
        subplot_titles=titles,
        horizontal_spacing=0.1,
        vertical_spacing=0.2 if rows > 1 else 0,
    )
    for number, (horizon, points) in enumerate(trials.items()):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        _panel(figure, horizon, points, place, first=number == 0)
    finish(figure, 70 + 280 * rows)
    figure.update_xaxes(title_text="trial", rangemode="tozero")
    figure.update_yaxes(title_text="pinball (units of σ√T)", tickformat=".4f")
    return figure


def _panel(
    figure: go.Figure, horizon: int, points: Sequence[TrialPoint], place: dict[str, int], *, first: bool
) -> None:
    color = horizon_color(horizon)
    order = np.arange(1, len(points) + 1)
    values = np.array([np.nan if p.value is None else p.value for p in points])
    complete = np.isfinite(values)
    if not complete.any():
        return
    best = np.fmin.accumulate(values)
    floor = float(np.nanmin(values))
    span = float(np.nanmax(values)) - floor or abs(floor) * 0.01
    figure.add_scatter(
        x=order[complete],
        y=values[complete],
        mode="markers",
        marker={"color": color, "size": 7},
        name="a finished trial",
        showlegend=first,
        **place,
    )
    figure.add_scatter(
        x=order,
        y=best,
        mode="lines",
        line={"color": MISS, "width": 1.6, "shape": "hv"},
        name="best so far",
        showlegend=first,
        **place,
    )
    figure.add_scatter(
        x=order[~complete],
        y=np.full(int((~complete).sum()), floor - 0.12 * span),
        mode="markers",
        marker={"color": NOMINAL, "size": 8, "symbol": "line-ns-open"},
        name="pruned early (no whole loss)",
        showlegend=first,
        **place,
    )
