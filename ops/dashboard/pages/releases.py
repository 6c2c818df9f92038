"""What is live, what was, and how the challenger does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from dash import Dash, Input, Output, html

from contracts.model.grid import HORIZONS
from offline.shadow import Comparison
from ops.dashboard.cache import Cache, Swap
from ops.dashboard.desk import Desk
from ops.dashboard.duel import Duel, last_swap
from ops.dashboard.figures.releases import lead_figure, lineup_figure
from ops.dashboard.pages.parts import PAUSED, card, graph, pill, table
from ops.dashboard.scores import BundleScore, paired_lead, score
from ops.dashboard.words import moment

PATH, TITLE = "/releases", "Releases"
SHOWN = 50
VERDICT_KIND = {"win": "good", "lose": "bad", "undecided": "warn"}


def layout(_desk: Desk) -> Any:
    """The view before its data."""
    return html.Div(
        [
            html.Div(
                [
                    card("In force", html.Div(id="releases-now")),
                    card("Champion against challenger", html.Div(id="releases-verdict")),
                ],
                className="grid",
            ),
            html.Div(
                [
                    card(
                        "What was live when",
                        graph("lineup-graph", "Bundles in force over time"),
                        note="By the server's clock, from the worker's record of swaps.",
                    ),
                    card(
                        "The challenger's lead",
                        graph("lead-graph", "Pinball loss saved by the challenger so far"),
                        note="Mean over the bars both gave a band for, all symbols; above zero it is ahead. "
                        "Neighbouring bands overlap: the verdict, not the line, says whether it is luck.",
                    ),
                ],
                className="grid",
            ),
            card("Scores of every bundle", html.Div(id="releases-scores"), wide=True),
            card("History of releases", html.Div(id="releases-history"), wide=True),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    """Wire the view to the data."""

    @app.callback(
        Output("releases-now", "children"),
        Output("releases-verdict", "children"),
        Output("lineup-graph", "figure"),
        Output("lead-graph", "figure"),
        Output("releases-scores", "children"),
        Output("releases-history", "children"),
        Input("version", "data"),
        running=PAUSED,
    )
    def _show(_version: Any) -> Any:
        cache, swap = desk.cache, last_swap(desk.cache)
        return (
            now_words(swap, cache.told("swaps")),
            verdict_words(swap, desk.judge.duel),
            lineup_figure(cache.told("swaps"), time.time()),
            lead_figure(leads(cache, swap)),
            score_table(scores(cache, swap), swap),
            history_table(cache),
        )


def now_words(swap: Swap | None, swaps: list[Swap]) -> Any:
    """Champion and challenger in force."""
    if swap is None or swap.champion is None:
        return html.P("No bundle has been in force yet.", className="empty")
    parts = [
        html.Dt("Champion"),
        html.Dd([html.Code(swap.champion), f" since {moment(_since(swap, swaps))}"]),
    ]
    if swap.challenger is not None:
        served = f", serves {100 * swap.share:.0f} % of symbols" if swap.share else ", in shadow"
        parts += [html.Dt("Challenger"), html.Dd([html.Code(swap.challenger), served])]
    else:
        parts += [html.Dt("Challenger"), html.Dd("none")]
    return html.Dl(parts, className="facts")


def _since(now: Swap, swaps: list[Swap]) -> float:
    """When its champion came into force: the first of the newest swaps in a row that have it."""
    at = now.at
    for swap in reversed([one for one in swaps if one.partition == now.partition]):
        if swap.champion != now.champion:
            break
        at = swap.at
    return at


def verdict_words(swap: Swap | None, duel: Duel) -> Any:
    """The verdict and what it rests on."""
    if swap is None or swap.challenger is None:
        return html.P("No challenger is in shadow. `bands shadow VERSION` puts one there.", className="empty")
    if duel.comparison is None:
        return html.P(duel.problem or "The comparison is being made.", className="empty")
    told = duel.comparison
    facts = [
        ("Verdict", pill(told.verdict, VERDICT_KIND[told.verdict])),
        ("Evidence for it", f"{told.e_win:.3g} now, {told.peak_win:.3g} at most; {1 / told.alpha:g} decides"),
        (
            "Evidence against",
            f"{told.e_lose:.3g} now, {told.peak_lose:.3g} at most; {1 / told.alpha:g} decides",
        ),
        ("Pinball", _gain(told)),
        ("Coverage 90 %", _pair(told.champion_coverage_90, told.challenger_coverage_90)),
        ("Coverage 50 %", _pair(told.champion_coverage_50, told.challenger_coverage_50)),
        (
            "Bars",
            f"{told.bars:,} settled, about {told.independent:,} independent; {told.cells:,} bands of each",
        ),
        ("Still open", f"{told.open:,} bands"),
    ]
    if duel.problem:
        facts.append(("Not up to date", duel.problem))
    return html.Dl(
        [part for name, what in facts for part in (html.Dt(name), html.Dd(what))], className="facts"
    )


def _gain(told: Comparison) -> str:
    gain = told.gain
    if gain is None:
        return "nothing settled yet"
    words = f"{-100 * gain.value:+.1f} % against the champion's"
    if gain.low is None or gain.high is None:
        return f"{words} (no interval: {gain.reason})"
    return f"{words}, 90 % interval {-100 * gain.high:+.1f} to {-100 * gain.low:+.1f} %"


def _pair(champion: float | None, challenger: float | None) -> str:
    words = ["–" if one is None else f"{100 * one:.1f} %" for one in (champion, challenger)]
    return f"champion {words[0]}, challenger {words[1]}"


def leads(cache: Cache, swap: Swap | None) -> list[Any]:
    """What the lead's figure is drawn from."""
    if swap is None or swap.challenger is None:
        return []
    champion, challenger = cache.bundle_number(swap.champion), cache.bundle_number(swap.challenger)
    found = []
    for horizon in HORIZONS:
        tables = [cache.outcomes(symbol, horizon) for symbol in cache.symbols()]
        at, gain = paired_lead(tables, champion, challenger)
        losses = np.concatenate(
            [one["pinball"][one["bundle"] == champion] for one in tables] or [np.empty(0)]
        )
        losses = losses[np.isfinite(losses)]
        found.append((horizon, at, gain, float(losses.mean()) if len(losses) else 0.0))
    return found


def scores(cache: Cache, swap: Swap | None) -> list[BundleScore]:
    """Every bundle's score per horizon, those in force first."""
    first = [label for label in (swap.champion, swap.challenger) if label] if swap else []
    labels = list(dict.fromkeys([*first, *cache.bundles()[::-1]]))
    by_horizon = {h: [cache.outcomes(symbol, h) for symbol in cache.symbols()] for h in HORIZONS}
    found = [
        score(label, horizon, by_horizon[horizon], cache.bundle_number(label))
        for label in labels[:10]
        for horizon in HORIZONS
    ]
    return [one for one in found if one is not None]


def score_table(found: list[BundleScore], swap: Swap | None) -> Any:
    """A row per bundle and horizon."""
    roles = {swap.champion: "champion", swap.challenger: "challenger"} if swap else {}
    rows = [
        [
            html.Span([html.Code(one.bundle), " ", pill(roles[one.bundle])])
            if one.bundle in roles
            else html.Code(one.bundle),
            f"T{one.horizon}",
            f"{one.closed:,}",
            f"{one.effective:.1f}",
            f"{100 * one.coverage_90:.1f} %",
            f"{100 * one.coverage_50:.1f} %",
            f"{one.pinball:.5f}",
        ]
        for one in found
    ]
    headers = [
        "Bundle",
        "Horizon",
        "Closed bands",
        "Independent",
        "In 90 %",
        "In 50 %",
        "Pinball (log return)",
    ]
    note = (
        "Bundles served at different times are not comparable by these; the verdict above uses the same bars."
    )
    return table(headers, rows, "No band has closed yet.", note)


def history_table(cache: Cache) -> Any:
    """The stream `releases`, newest first."""
    rows = [
        [
            moment(one.at.timestamp()),
            pill(
                one.action,
                "bad" if one.action == "rollback" else "good" if one.action == "promote" else "calm",
            ),
            html.Code(one.from_bundle or "–"),
            html.Code(one.to_bundle),
            f"{100 * one.share:.0f} %",
            one.by,
            one.why or "–",
        ]
        for _, one in cache.told("releases")[: -SHOWN - 1 : -1]
    ]
    headers = ["When", "Change", "From", "To", "Share", "By", "Why"]
    return table(headers, rows, "No release has been made yet.")
