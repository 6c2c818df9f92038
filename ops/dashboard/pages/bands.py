"""The trader's view: candles, the fan ahead, and past bands against what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from contracts.events import Band
from contracts.model.grid import HORIZONS
from ops.dashboard.desk import Desk
from ops.dashboard.figures.fan import Scene, bands_figure
from ops.dashboard.pages.parts import (
    PAUSED,
    RANGES,
    card,
    graph,
    horizon_picker,
    range_picker,
    symbol_picker,
    table,
)
from ops.dashboard.words import REASON_WORDS, days, moment, price, sentence

PATH, TITLE = "/", "Bands"


def layout(desk: Desk) -> Any:
    """The view before its data."""
    return html.Div(
        [
            dcc.Store(id="bands-window", data={"x": None, "rev": 0}),
            html.Div(
                [
                    symbol_picker("bands-symbol", desk.cache.symbols()),
                    horizon_picker("bands-horizon"),
                    range_picker("bands-range"),
                ],
                className="controls",
            ),
            html.P(id="bands-words", className="words", role="status"),
            card(
                "Price, past bands and the fan ahead",
                graph("bands-graph", "Candles of the symbol with its price bands", tall=True),
                note="Grey: the bands issued one horizon before, at the time they spoke of. Blue: the "
                "newest bands, out to 10 days. Drag to move, double-click to reset; times are UTC.",
                wide=True,
            ),
            card("Newest bands", html.Div(id="bands-table"), wide=True),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """Wire the view to the data."""

    @app.callback(
        Output("bands-symbol", "options"),
        Output("bands-symbol", "value"),
        Input("version", "data"),
        # Also on its own value: a picker without options yet forgets the one it had.
        Input("bands-symbol", "value"),
        State("bands-symbol", "options"),
    )
    def _symbols(_version: Any, value: str | None, options: Any) -> Any:
        symbols = desk.cache.symbols()
        chosen = value if value in symbols else (symbols[0] if symbols else None)
        return (
            no_update if symbols == options else symbols,
            no_update if chosen == value else chosen,
        )

    @app.callback(
        Output("bands-window", "data"),
        Input("bands-range", "value"),
        Input("bands-symbol", "value"),
        Input("bands-graph", "relayoutData"),
        State("bands-window", "data"),
        prevent_initial_call=True,
    )
    def _window(_range: Any, _symbol: Any, moved: Any, window: dict[str, Any]) -> Any:
        if ctx.triggered_id != "bands-graph":
            return {"x": None, "rev": window["rev"] + 1}
        shown = window_of(moved or {})
        if shown == "as before":
            return no_update
        if shown is None:
            return {"x": None, "rev": window["rev"] + 1}
        return {"x": shown, "rev": window["rev"]}

    @app.callback(
        Output("bands-graph", "figure"),
        Output("bands-words", "children"),
        Output("bands-table", "children"),
        Input("version", "data"),
        Input("bands-window", "data"),
        Input("bands-horizon", "value"),
        State("bands-symbol", "value"),
        State("bands-range", "value"),
        running=PAUSED,
    )
    def _show(_version: Any, window: dict[str, Any], horizon: int, symbol: str | None, far: str) -> Any:
        if symbol is None:
            words = "Nothing to show yet: no bar has arrived."
            return bands_figure(scene_of(desk, "any symbol", horizon, 90)), words, None
        scene = scene_of(desk, symbol, horizon, RANGES[far], window["x"], str(window["rev"]))
        chosen = scene.newest.get(horizon)
        words = sentence(chosen) if chosen else f"No record of {symbol} at T{horizon} yet."
        return bands_figure(scene), words, newest_table([scene.newest.get(h) for h in HORIZONS])


def scene_of(desk: Desk, symbol: str, horizon: int, far: float, window: Any = None, rev: str = "0") -> Scene:
    """What the figure of one symbol is drawn from."""
    newest = {h: band for h in HORIZONS if (band := desk.cache.newest(symbol, h)) is not None}
    shown = (float(window[0]), float(window[1])) if window else None
    bars, bands = desk.cache.bars(symbol), desk.cache.bands(symbol, horizon)
    return Scene(symbol, horizon, bars, bands, newest, far, shown, rev)


def window_of(moved: dict[str, Any]) -> Any:
    """The time axis after a drag, epoch seconds; None after a reset, "as before" where it has not moved."""
    if "xaxis.range[0]" in moved:
        return [_epoch(moved["xaxis.range[0]"]), _epoch(moved["xaxis.range[1]"])]
    if "xaxis.range" in moved:
        return [_epoch(end) for end in moved["xaxis.range"]]
    return None if moved.get("xaxis.autorange") or moved.get("xaxis.showspikes") is False else "as before"


def _epoch(told: Any) -> float:
    if isinstance(told, int | float):
        return float(told) / 1_000
    return datetime.fromisoformat(str(told)).replace(tzinfo=UTC).timestamp()


def newest_table(newest: list[Band | None]) -> Any:
    """The newest record of every horizon, a row each."""
    rows = []
    for band in newest:
        if band is None:
            continue
        head = [f"T{band.horizon_bars} · {days(band.horizon_bars)}", moment(band.target_time.timestamp())]
        if band.prices is None:
            why = REASON_WORDS.get(str(band.reason), str(band.reason))
            rows.append([*head, f"no band: {why}", *[""] * 5])
            continue
        q = band.prices
        width = 100 * (q.q95 - q.q05) / band.ref_price
        prices = [price(value) for value in (q.q05, q.q25, q.q50, q.q75, q.q95)]
        rows.append([*head, *prices, f"{width:.1f} %"])
    headers = ["Horizon", "At", "5 %", "25 %", "Median", "75 %", "95 %", "90 % width"]
    return table(headers, rows, "No record yet.")
