"""Coverage through time: a rolling mean, and how far chance alone would take it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from offline.metrics import effective_sample_size
from offline.report.bands import HorizonBands, sampling_error, utc
from offline.report.figures.theme import NOMINAL, empty_figure, faded, finish, horizon_color

YEAR_BARS = 2_190
Z_90 = 1.645
EVERY_BARS = 6


def window_bars(bands: HorizonBands) -> int:
    """A year, or half of what there is when that is less."""
    return max(1, min(YEAR_BARS, len(bands.times) // 2))


def coverage_figure(all_bands: Sequence[HorizonBands]) -> go.Figure:
    """One panel per horizon: rolling coverage of both intervals, in the band of its effective sample size."""
    rows = -(-len(all_bands) // 2)
    titles = []
    for bands in all_bands:
        size = effective_sample_size(window_bars(bands), bands.horizon)
        titles.append(f"T{bands.horizon}: about {size} independent outcomes in a window")
    figure = empty_figure(
        rows, 2, subplot_titles=titles, horizontal_spacing=0.08, vertical_spacing=0.16 if rows > 1 else 0
    )
    for number, bands in enumerate(all_bands):
        place = {"row": number // 2 + 1, "col": number % 2 + 1}
        window = window_bars(bands)
        size = effective_sample_size(window, bands.horizon)
        color = horizon_color(bands.horizon)
        for coverage, dash in ((0.90, "solid"), (0.50, "dot")):
            rolled = bands.rolling(bands.hits(coverage), window)[::EVERY_BARS]
            times = utc(bands.times[::EVERY_BARS])
            shown = np.flatnonzero(np.isfinite(rolled))
            if not len(shown):
                continue
            ends = [times[shown[0]], times[shown[-1]]]
            reach = Z_90 * sampling_error(coverage, size)
            low, high = 100 * (coverage - reach), 100 * min(1.0, coverage + reach)
            figure.add_scatter(
                x=[*ends, *reversed(ends)],
                y=[low, low, high, high],
                fill="toself",
                mode="lines",
                line={"width": 0},
                fillcolor=faded(color, 0.10),
                hoverinfo="skip",
                showlegend=False,
                **place,
            )
            figure.add_scatter(
                x=ends,
                y=[100 * coverage] * 2,
                mode="lines",
                line={"color": NOMINAL, "width": 1, "dash": "dash"},
                hoverinfo="skip",
                showlegend=False,
                **place,
            )
            figure.add_scatter(
                x=times[shown[0] :],
                y=np.round(100 * rolled[shown[0] :], 3),
                mode="lines",
                line={"color": color, "width": 1.8, "dash": dash},
                name=f"T{bands.horizon}, {coverage:.0%} band".replace("%", " %"),
                showlegend=False,
                **place,
            )
    finish(figure, 60 + 300 * rows, legend=False)
    figure.update_yaxes(range=[25, 101], tickvals=[30, 40, 50, 60, 70, 80, 90, 100], title_text="covered (%)")
    figure.update_xaxes(type="date")
    for column in (1, 2):
        figure.update_xaxes(title_text="issued (UTC), end of window", row=rows, col=column)
    return figure
