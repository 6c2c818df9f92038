"""Whether everything runs, and how far behind it is."""

from __future__ import annotations

import os
import time
from typing import Any

import psutil
from dash import Dash, Input, Output, html

from contracts.model.grid import BAR_SECONDS, HORIZONS
from ops.dashboard.cache import Cache, missing_bars
from ops.dashboard.desk import Desk
from ops.dashboard.facts import ServerFacts
from ops.dashboard.figures.health import backlog_figure, latency_figure
from ops.dashboard.pages.parts import PAUSED, card, graph, pill, table
from ops.dashboard.probes import Probe, quantile
from ops.dashboard.words import REASON_WORDS, moment, size, span

PATH, TITLE = "/status", "Health"
GAP_BARS = 540


def layout(_desk: Desk) -> Any:
    """The view before its data."""
    return html.Div(
        [
            html.Div(id="health-processes", className="grid three"),
            html.Div(
                [
                    card("Backlog, last half hour", graph("backlog-graph", "Bars waiting over time")),
                    card("Step latency", graph("latency-graph", "Steps by how long they took")),
                ],
                className="grid",
            ),
            card("Partitions", html.Div(id="health-partitions"), wide=True),
            card("Symbols", html.Div(id="health-symbols"), wide=True),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """Wire the view to the data. It follows the clock: ages grow by themselves."""

    @app.callback(
        Output("health-processes", "children"),
        Output("backlog-graph", "figure"),
        Output("latency-graph", "figure"),
        Output("health-partitions", "children"),
        Output("health-symbols", "children"),
        Input("slow-tick", "n_intervals"),
        Input("version", "data"),
        running=PAUSED,
    )
    def _show(_ticks: Any, _version: Any) -> Any:
        probes = desk.probes.probes()
        workers = [probe for probe in probes if probe.name.startswith("worker")]
        facts = desk.reader.state.facts
        return (
            [server_card(desk, facts), *(probe_card(probe) for probe in probes), own_card(desk)],
            backlog_figure({probe.name: desk.probes.samples(probe.url) for probe in workers}),
            latency_figure(workers),
            partition_table(facts),
            symbol_table(desk.cache, time.time()),
        )


def server_card(desk: Desk, facts: ServerFacts) -> Any:
    """The server that holds the streams."""
    state, about = desk.reader.state, facts.about
    up = state.problem is None
    where = "your own" if desk.settings.redis.url else "embedded"
    told: list[tuple[str, Any]] = [("Server", f"{where}{', cluster' if desk.settings.redis.cluster else ''}")]
    if not up:
        told.append(("Problem", str(state.problem)))
    if about is None:
        told.append(("About it", "not known: this user may not ask (INFO)" if up else "not known"))
    else:
        whose = f", the fullest of {about['nodes']} nodes" if about["nodes"] > 1 else ""
        most = f" of {size(about['max_bytes'])}" if about["max_bytes"] else ", no limit set"
        told += [
            ("Version", about["version"]),
            ("Memory", size(about["used_bytes"]) + most + whose),
            ("Up for", span(about["up_s"])),
            ("Log kept (AOF)", "yes" if about["append_only"] else "no: a crash loses what is not saved"),
        ]
    return _process("Streams", pill("up", "good") if up else pill("down", "bad"), told)


def probe_card(probe: Probe) -> Any:
    """A worker, the retrainer or the feed."""
    if probe.ready is None:
        state = pill("no answer", "bad" if probe.name.startswith("worker") else "calm")
    else:
        state = pill("ready", "good") if probe.ready else pill("not ready", "bad")
    told: list[tuple[str, Any]] = [("Address", probe.url)]
    told += [("Problem", problem) for problem in probe.problems]
    told += [("Note", note) for note in probe.notes]
    names = {"bundle": "Bundle", "challenger": "Challenger", "newest_bar_closed_at": "Newest bar"}
    names |= {"run": "Run", "stage": "Stage", "waiting": "Waiting"}
    told += [(shown, str(probe.told[name])) for name, shown in names.items() if probe.told.get(name)]
    if "lag" in probe.told:
        told.append(("Lag, pending", f"{probe.told['lag']:,} and {probe.told.get('pending', 0):,} bars"))
    half, most = quantile(probe.steps, 0.5), quantile(probe.steps, 0.95)
    if half is not None and most is not None:
        told.append(("Step, 50 % and 95 %", f"{1_000 * half:.1f} and {1_000 * most:.1f} ms"))
    return _process(probe.name.capitalize(), state, told)


def own_card(desk: Desk) -> Any:
    """This page's own state."""
    skipped = desk.cache.skipped
    told: list[tuple[str, Any]] = [
        ("Rows kept", f"{desk.cache.row_count():,}"),
        ("Memory", size(psutil.Process(os.getpid()).memory_info().rss)),
        ("Reading", "older records" if desk.reader.state.loading else "what comes"),
        (
            "Unreadable entries",
            ", ".join(f"{n:,} on {stream}" for stream, n in sorted(skipped.items())) or "none",
        ),
    ]
    return _process("Dashboard", pill("up", "good"), told)


def _process(name: str, state: Any, told: list[tuple[str, Any]]) -> Any:
    facts = [part for title, what in told for part in (html.Dt(title), html.Dd(what))]
    return html.Section(
        [html.Header(html.H2([name, " ", state])), html.Dl(facts, className="facts")], className="card"
    )


def partition_table(facts: ServerFacts) -> Any:
    """Who owns what, and what waits."""
    rows = [
        [
            str(one.partition),
            pill("owned", "good") if one.owner else pill("no owner", "bad"),
            html.Code(one.owner or "–"),
            "–" if one.lag is None else f"{one.lag:,}",
            "–" if one.pending is None else f"{one.pending:,}",
            f"{one.bars:,}",
            f"{one.dead:,}",
        ]
        for one in facts.partitions
    ]
    headers = ["Partition", "Lease", "Owner's token", "Lag, bars", "Pending, bars", "Bars kept", "Refused"]
    return table(headers, rows, "Nothing is known of the partitions yet.")


def symbol_table(cache: Cache, now: float) -> Any:
    """The newest bar, its age, gaps, and whether there is a band."""
    rows = []
    for symbol in cache.symbols():
        newest = cache.newest_close(symbol)
        bars = cache.bars(symbol)
        missing = missing_bars(bars, GAP_BARS)
        records = [cache.newest(symbol, horizon) for horizon in HORIZONS]
        known = [record for record in records if record is not None]
        silent = next((record for record in known if not record.is_band), None)
        if silent is not None:
            state = pill(f"no band: {REASON_WORDS.get(str(silent.reason), str(silent.reason))}", "warn")
        elif any(record.degraded for record in known):
            state = pill("degraded", "warn")
        else:
            state = pill("bands", "good") if known else pill("no record yet", "calm")
        age = now - newest if newest else 0.0
        rows.append(
            [
                symbol,
                moment(newest) if newest else "–",
                pill(span(age), "warn" if age > 2 * BAR_SECONDS else "calm") if newest else "–",
                f"{len(bars):,}",
                pill(f"{missing:,} missing", "warn") if missing else "none",
                state,
            ]
        )
    headers = ["Symbol", "Newest bar closed", "Age", "Bars known", "Gaps, last 90 days", "Now"]
    return table(headers, rows, "No symbol has sent a bar yet.")
