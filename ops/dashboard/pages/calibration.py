"""Whether the bands hold what they promise."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from contracts.model.grid import HORIZONS
from ops.dashboard.cache import Cache
from ops.dashboard.desk import Desk
from ops.dashboard.figures.calibration import (
    coverage_figure,
    pit_figure,
    q_hat_figure,
    width_figure,
    window_words,
)
from ops.dashboard.pages.parts import (
    ALL,
    PAUSED,
    RANGES,
    card,
    graph,
    horizon_picker,
    range_picker,
    symbol_picker,
)

PATH, TITLE = "/calibration", "Calibration"


def layout(desk: Desk) -> Any:
    """The view before its data."""
    return html.Div(
        [
            html.Div(
                [
                    symbol_picker("calibration-symbol", desk.cache.symbols(), every=True),
                    horizon_picker("calibration-horizon"),
                    range_picker("calibration-range", "365"),
                ],
                className="controls",
            ),
            html.Div(
                [
                    card(
                        "Rolling coverage",
                        graph("coverage-graph", "Share of outcomes inside the 90 % and 50 % bands over time"),
                        note=f"Outcomes of the last {window_words()}. They overlap: the strip is the 90 % "
                        "interval of the chosen horizon by its independent outcomes. Dashed: the promise.",
                    ),
                    card(
                        "Band width",
                        graph("width-graph", "Width of the 90 % band over time"),
                        note="Width of the 90 % band, by time of issue.",
                    ),
                    card(
                        "Where outcomes fell",
                        graph("pit-graph", "Histogram of outcome ranks"),
                        note="Even bars mean calibrated quantiles; the strip is what chance allows.",
                    ),
                    card(
                        "Conformal correction",
                        graph("q-hat-graph", "Conformal correction over time"),
                        note="Above zero the model's own band is widened, below zero it is narrowed.",
                    ),
                ],
                className="grid",
            ),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """Wire the view to the data."""

    @app.callback(
        Output("calibration-symbol", "options"),
        Input("version", "data"),
        State("calibration-symbol", "options"),
    )
    def _symbols(_version: Any, options: Any) -> Any:
        wanted = [{"label": "all symbols", "value": ALL}]
        wanted += [{"label": symbol, "value": symbol} for symbol in desk.cache.symbols()]
        return no_update if wanted == options else wanted

    @app.callback(
        Output("coverage-graph", "figure"),
        Output("width-graph", "figure"),
        Output("pit-graph", "figure"),
        Output("q-hat-graph", "figure"),
        Input("version", "data"),
        Input("calibration-symbol", "value"),
        Input("calibration-horizon", "value"),
        Input("calibration-range", "value"),
        running=PAUSED,
    )
    def _show(_version: Any, symbol: str, horizon: int, far: str) -> Any:
        return figures(desk.cache, symbol, horizon, RANGES[far])


def figures(cache: Cache, symbol: str, horizon: int, far: float) -> tuple[Any, Any, Any, Any]:
    """The four figures of a symbol, or of all of them, over the last `far` days."""
    symbols = cache.symbols() if symbol == ALL else [symbol]
    about = "all symbols" if symbol == ALL else symbol
    outcomes = {h: [cache.outcomes(s, h) for s in symbols] for h in HORIZONS}
    bands = {h: [cache.bands(s, h) for s in symbols] for h in HORIZONS}
    newest = cache.newest_close(None if symbol == ALL else symbol) or 0
    since = newest - far * 86_400
    return (
        coverage_figure(outcomes, horizon, since, about),
        width_figure(bands, horizon, since, about),
        pit_figure(outcomes[horizon], horizon, since, about),
        q_hat_figure(bands[horizon], horizon, since, about),
    )
