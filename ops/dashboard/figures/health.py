"""How far behind, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ops.dashboard.figures.candles import Trace
from ops.dashboard.probes import Probe, Sample
from ops.dashboard.theme import COLORS, MUTED, Figure, axis, empty, figure, time_axis


def backlog_figure(samples: Mapping[str, Sequence[Sample]]) -> Figure:
    """Bars waiting at each worker during the last half hour."""
    traces: list[Trace] = []
    for number, (name, told) in enumerate(samples.items()):
        for field, dash in (("lag", "solid"), ("pending", "dot")):
            known = [(one.at, getattr(one, field)) for one in told if getattr(one, field) is not None]
            if known:
                traces.append(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "name": f"{name} {field}",
                        "x": [round(1_000 * at) for at, _ in known],
                        "y": [value for _, value in known],
                        "line": {"color": COLORS[number % len(COLORS)], "width": 1.8, "dash": dash},
                        "hovertemplate": f"{name}: %{{y:,}} bars {field}<br>%{{x}}<extra></extra>",
                    }
                )
    if not traces:
        return empty("No worker has answered yet")
    most = max(max(trace["y"]) for trace in traces)
    return figure(
        traces,
        "backlog",
        xaxis=time_axis(),
        yaxis=axis(title="bars waiting", range=[-0.04 * max(most, 5), 1.06 * max(most, 5)]),
    )


def latency_figure(probes: Sequence[Probe]) -> Figure:
    """Steps by how long they took, since each worker started."""
    traces: list[Trace] = []
    for number, probe in enumerate(probes):
        total = probe.steps[-1][1] if probe.steps else 0.0
        if not total:
            continue
        below = [0.0, *(count for _, count in probe.steps)]
        traces.append(
            {
                "type": "bar",
                "name": probe.name,
                "x": [_bound(bound) for bound, _ in probe.steps],
                "y": [round(100 * (b - a) / total, 2) for a, b in pairwise(below)],
                "marker": {"color": COLORS[number % len(COLORS)]},
                "hovertemplate": f"%{{y:.1f}} % of {total:,.0f} steps<br>took %{{x}}"
                f"<extra>{probe.name}</extra>",
            }
        )
    if not traces:
        return empty("No worker has taken a step yet")
    return figure(
        traces,
        "latency",
        showlegend=True,
        xaxis=axis(title="time from bars delivered to commit, at most", type="category"),
        yaxis=axis(title="share of steps, %", rangemode="tozero", color=MUTED),
    )


def _bound(seconds: float) -> str:
    if seconds == float("inf"):
        return "more"
    return f"{1_000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"
