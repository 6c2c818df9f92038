"""When something drifted, was asked for, or was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from contracts.events import DeadLetter, DriftAlert, RetrainRequest, RetrainStatus
from ops.dashboard.figures.candles import Trace
from ops.dashboard.theme import COLORS, MISS, MUTED, WARN, Figure, axis, empty, figure, time_axis, wrapped

CHANNELS = ("width", "coverage", "loss", "pit", "features")
ROWS = (*CHANNELS, "retrain asked", "retrain run", "bar refused")
LOOK = {"warning": (WARN, "triangle-up", "warning"), "alarm": (MISS, "diamond", "alarm")}
MOST_MARKS = 1_500
DeadAt = tuple[float, DeadLetter]


def timeline_figure(
    drift: Sequence[DriftAlert],
    requests: Sequence[RetrainRequest],
    statuses: Sequence[RetrainStatus],
    dead: Sequence[DeadAt],
    since: float,
) -> Figure:
    """One row per channel of drift, and one each for requests, runs and dead letters."""
    traces = [_alerts(severity, drift, since) for severity in LOOK]
    traces.append(_requests(requests, since))
    traces += _runs(statuses, since)
    traces.append(_refused(dead, since))
    traces = [trace for trace in traces if trace["x"]]
    if not traces:
        return empty("Nothing has drifted, nobody has asked for a retraining, no bar was refused")
    return figure(
        traces,
        f"timeline|{since:.0f}",
        xaxis=time_axis(),
        yaxis=axis(
            categoryorder="array",
            categoryarray=list(ROWS[::-1]),
            range=[-0.6, len(ROWS) - 0.4],
            fixedrange=True,
            tickvals=list(ROWS),
        ),
        margin={"l": 100, "r": 16, "t": 36, "b": 8},
        hovermode="closest",
    )


def _alerts(severity: str, drift: Sequence[DriftAlert], since: float) -> Trace:
    shown = [a for a in drift if a.severity == severity and a.at.timestamp() >= since][-MOST_MARKS:]
    colour, symbol, name = LOOK[severity]
    words = []
    for alert in shown:
        about = " ".join(
            part
            for part in (
                alert.symbol or "all symbols",
                f"T{alert.horizon_bars}" if alert.horizon_bars else "",
            )
            if part
        )
        words.append(
            f"<b>{about}: {alert.channel} {alert.severity}</b><br>{wrapped(alert.evidence)}<br>"
            f"{wrapped(alert.detector)}: {alert.statistic:.4g}, threshold {alert.threshold:.4g}<br>"
            f"bundle {wrapped(alert.bundle)}"
        )
    marker = {"color": colour, "symbol": symbol, "size": 11, "line": {"color": "#ffffff", "width": 1}}
    return _marks(name, [a.at.timestamp() for a in shown], [a.channel for a in shown], words, marker)


def _requests(requests: Sequence[RetrainRequest], since: float) -> Trace:
    shown = [one for one in requests if one.at.timestamp() >= since][-MOST_MARKS:]
    words = [f"<b>by {wrapped(one.requested_by)}</b><br>{wrapped(one.reason)}" for one in shown]
    marker = {"color": COLORS[0], "symbol": "circle", "size": 10}
    at = [one.at.timestamp() for one in shown]
    return _marks("retrain asked", at, ["retrain asked"] * len(shown), words, marker)


def _runs(statuses: Sequence[RetrainStatus], since: float) -> list[Trace]:
    by_run: dict[str, list[RetrainStatus]] = {}
    for one in statuses:
        by_run.setdefault(one.id, []).append(one)
    traces = []
    for number, told in enumerate(list(by_run.values())[-100:]):
        first, last = told[0].at.timestamp(), told[-1].at.timestamp()
        if last < since:
            continue
        colour = MISS if last and told[-1].stage == "failed" else COLORS[2]
        words = [f"<b>{one.stage}</b><br>{wrapped(one.detail)}" for one in told]
        trace = _marks(
            "retrain run",
            [one.at.timestamp() for one in told] if len(told) > 1 else [first],
            ["retrain run"] * len(told),
            words,
            {"color": colour, "symbol": "square", "size": 8},
        )
        shown_once = {"legendgroup": "run", "showlegend": number == 0}
        traces.append(trace | {"mode": "lines+markers", "line": {"color": colour, "width": 4}} | shown_once)
    return traces


def _refused(dead: Sequence[DeadAt], since: float) -> Trace:
    shown = [one for one in dead if one[0] >= since][-MOST_MARKS:]
    words = [f"<b>{letter.reason}</b><br>{wrapped(letter.detail)}" for _, letter in shown]
    marker = {"color": MUTED, "symbol": "x", "size": 8}
    return _marks("bar refused", [at for at, _ in shown], ["bar refused"] * len(shown), words, marker)


def _marks(name: str, at: Sequence[float], rows: Sequence[str], words: Sequence[str], marker: Any) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [round(1_000 * moment) for moment in at],
        "y": list(rows),
        "customdata": list(words),
        "marker": marker,
        "hovertemplate": "%{customdata}<br>%{x}<extra></extra>",
    }


def dead_figure(dead: Sequence[DeadAt]) -> Figure:
    """How many bars were refused for which reason."""
    counts = Counter(letter.reason for _, letter in dead)
    if not counts:
        return empty("No bar was refused")
    ranked = counts.most_common()[::-1]
    bars: Trace = {
        "type": "bar",
        "orientation": "h",
        "x": [count for _, count in ranked],
        "y": [reason.replace("_", " ") for reason, _ in ranked],
        "text": [f"{count:,}" for _, count in ranked],
        "width": 0.5,
        "marker": {"color": MUTED},
        "hovertemplate": "%{x:,} %{y}<extra></extra>",
    }
    return figure(
        [bars],
        "dead",
        xaxis=axis(
            title="bars refused",
            range=[0, 1.08 * ranked[-1][1]],
            tickformat=",d",
            nticks=min(8, 1 + ranked[-1][1]),
        ),
        yaxis=axis(fixedrange=True),
        margin={"l": 100, "r": 16, "t": 12, "b": 8},
    )
