"""Walk-forward, window by window: coverage, and loss beside HAR-RV's where the results have it."""

from __future__ import annotations

import plotly.graph_objects as go

from offline.report.figures.theme import NOMINAL, empty_figure, finish, horizon_color
from offline.report.results import Results
from offline.report.text import day

RATIO = "pinball_to_har_rv"


def has_ratios(results: Results) -> bool:
    """Whether the windows were scored against HAR-RV as well."""
    return any(w.score(name, RATIO) is not None for w in results.windows for name in results.names)


def windows_figure(results: Results) -> go.Figure:
    """One bar per window and horizon, by the day of the refit."""
    scored = RATIO if has_ratios(results) else "pinball"
    figure = empty_figure(2, 1, shared_xaxes=True, vertical_spacing=0.07)
    days = [day(window.start) for window in results.windows]
    for name, horizon in zip(results.names, results.horizons, strict=True):
        for row, (score, unit) in enumerate((("coverage_90", 100.0), (scored, 1.0)), 1):
            values = [window.score(name, score) for window in results.windows]
            figure.add_bar(
                x=days,
                y=[None if value is None else round(unit * value, 6) for value in values],
                marker={"color": horizon_color(horizon)},
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                row=row,
                col=1,
            )
    figure.add_hline(y=90, line={"color": NOMINAL, "width": 1.2, "dash": "dash"}, row=1, col=1)
    finish(figure, 560)
    figure.update_xaxes(type="category", tickangle=-45 if len(days) > 8 else 0)
    figure.update_xaxes(title_text="refit (UTC day), the bands until the next one", row=2, col=1)
    figure.update_yaxes(title_text="90 % band covers (%)", range=[0, 101], row=1, col=1)
    if scored == RATIO:
        figure.add_hline(y=1, line={"color": NOMINAL, "width": 1.2, "dash": "dash"}, row=2, col=1)
        figure.update_yaxes(title_text="pinball / HAR-RV", row=2, col=1)
    else:
        figure.update_yaxes(title_text="pinball (log return)", rangemode="tozero", row=2, col=1)
    return figure
