"""Feature importance: each feature's share of the gain, per horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from offline.report.figures.theme import GRID, empty_figure, finish, horizon_color, safe

SHOWN = 20


def importance_figure(shares: Mapping[int, NDArray[np.float64]], names: Sequence[str]) -> go.Figure:
    """The features of the largest mean share, one dot per horizon."""
    order = np.argsort(-np.mean(list(shares.values()), axis=0), kind="stable")[:SHOWN][::-1]
    labels = [safe(names[feature]) for feature in order]
    figure = empty_figure()
    for label, feature in zip(labels, order, strict=True):
        ends = [100 * float(share[feature]) for share in shares.values()]
        figure.add_scatter(
            x=[min(ends), max(ends)],
            y=[label, label],
            mode="lines",
            line={"color": GRID, "width": 5},
            hoverinfo="skip",
            showlegend=False,
        )
    for horizon, share in shares.items():
        figure.add_scatter(
            x=[100 * float(share[feature]) for feature in order],
            y=labels,
            mode="markers",
            marker={"color": horizon_color(horizon), "size": 9},
            name=f"T{horizon}",
        )
    finish(figure, 140 + 22 * len(labels))
    figure.update_xaxes(title_text="share of the gain of a horizon's five models (%)", rangemode="tozero")
    return figure
