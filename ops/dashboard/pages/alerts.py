"""What drifted, what was asked for because of it, and which bars were refused."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, html

from contracts.events import DriftAlert, RetrainStatus
from ops.dashboard.cache import Cache
from ops.dashboard.desk import Desk
from ops.dashboard.figures.alerts import dead_figure, timeline_figure
from ops.dashboard.pages.parts import PAUSED, RANGES, card, graph, pill, range_picker, table
from ops.dashboard.words import moment

PATH, TITLE = "/alerts", "Drift & alerts"
SHOWN = 50
STAGE_KIND = {"registered": "good", "failed": "bad", "skipped": "calm"}


def layout(_desk: Desk) -> Any:
    """The view before its data."""
    return html.Div(
        [
            html.Div([range_picker("alerts-range", "365")], className="controls"),
            card(
                "Timeline",
                graph("alerts-graph", "Drift findings, retrain requests and refused bars over time"),
                note="Drift by the time of its bar, requests and runs by theirs, refused bars by arrival.",
                wide=True,
            ),
            card("Drift findings", html.Div(id="alerts-table"), wide=True),
            card("Retraining", html.Div(id="alerts-runs"), wide=True),
            html.Div(
                [
                    card("Refused bars by reason", graph("dead-graph", "Refused bars by reason")),
                    card("Newest refused bars", html.Div(id="alerts-dead")),
                ],
                className="grid",
            ),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """Wire the view to the data."""

    @app.callback(
        Output("alerts-graph", "figure"),
        Output("alerts-table", "children"),
        Output("alerts-runs", "children"),
        Output("dead-graph", "figure"),
        Output("alerts-dead", "children"),
        Input("version", "data"),
        Input("alerts-range", "value"),
        running=PAUSED,
    )
    def _show(_version: Any, far: str) -> Any:
        cache = desk.cache
        since = (cache.newest_close() or 0) - RANGES[far] * 86_400
        drift, dead = cache.told("drift"), cache.told("dead")
        requests, statuses = cache.told("requests"), cache.told("statuses")
        return (
            timeline_figure(drift, requests, statuses, dead, since),
            drift_table(drift),
            runs_table(cache),
            dead_figure(dead),
            dead_table(cache),
        )


def drift_table(drift: list[DriftAlert]) -> Any:
    """The newest findings with their evidence."""
    rows = [
        [
            moment(alert.at.timestamp()),
            pill(alert.severity, "bad" if alert.severity == "alarm" else "warn"),
            alert.symbol or "all",
            f"T{alert.horizon_bars}" if alert.horizon_bars else "–",
            alert.channel,
            alert.evidence,
            alert.bundle,
        ]
        for alert in sorted(drift, key=lambda one: one.at, reverse=True)[:SHOWN]
    ]
    headers = ["Bar closed", "Severity", "Symbol", "Horizon", "Channel", "Evidence", "Bundle"]
    return table(headers, rows, "Nothing has drifted.")


def runs_table(cache: Cache) -> Any:
    """Every request and how far its run is, the newest first."""
    newest: dict[str, RetrainStatus] = {one.id: one for one in cache.told("statuses")}
    requests = {one.id: one for one in cache.told("requests")}
    every = dict.fromkeys([*requests, *newest])
    moments = {run: (newest[run].at if run in newest else requests[run].at).timestamp() for run in every}
    rows = []
    for run in sorted(every, key=lambda one: moments[one], reverse=True)[:SHOWN]:
        request, status = requests.get(run), newest.get(run)
        stage = status.stage if status else "waiting"
        told = pill(stage, STAGE_KIND.get(stage, "warn"))
        bar = html.Progress(value=str(status.progress), max="1") if status and not status.is_final else None
        rows.append(
            [
                moment(moments[run]),
                html.Span([told, " ", bar] if bar else [told]),
                (request.requested_by if request else "–"),
                (status.detail if status and status.detail else request.reason if request else "–"),
                (status.bundle if status and status.bundle else "–"),
            ]
        )
    headers = ["Last word", "Stage", "Asked by", "What", "Bundle made"]
    return table(headers, rows, "Nobody has asked for a retraining.")


def dead_table(cache: Cache) -> Any:
    """The newest refused bars."""
    rows = [
        [moment(at), letter.reason.replace("_", " "), letter.detail, letter.entry]
        for at, letter in cache.told("dead")[:-11:-1]
    ]
    return table(["Arrived", "Reason", "What was found", "Entry"], rows, "None.")
