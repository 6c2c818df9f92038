"""What was live when, and how far ahead the challenger is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ops.dashboard.cache import Swap
from ops.dashboard.figures.candles import Trace, ms, tidy
from ops.dashboard.theme import COLORS, MUTED, Figure, axis, empty, figure, time_axis

MOST_POINTS = 400
MOST_BUNDLES = 12


def lineup_figure(swaps: Sequence[Swap], now: float) -> Figure:
    """A bar per bundle for as long as it was champion or challenger, by the server's clock."""
    first = [swap for swap in swaps if swap.partition == min(s.partition for s in swaps)] if swaps else []
    if not first:
        return empty("No bundle has been in force yet")
    spans: list[tuple[str, str, float, float]] = []
    for swap, until in zip(first, [*(s.at for s in first[1:]), now], strict=True):
        for role, label in (("champion", swap.champion), ("challenger", swap.challenger)):
            if label is None:
                continue
            at = next((n for n, s in enumerate(spans) if s[:2] == (role, label) and s[3] == swap.at), None)
            if at is None:
                spans.append((role, label, swap.at, until))
            else:
                spans[at] = (role, label, spans[at][2], until)
    labels = list(dict.fromkeys(label for _, label, _, _ in spans))[-MOST_BUNDLES:]
    traces: list[Trace] = []
    for role, colour in (("champion", COLORS[0]), ("challenger", COLORS[1])):
        shown = [s for s in spans if s[0] == role and s[1] in labels]
        if shown:
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": role,
                    "base": [round(1_000 * s[2]) for s in shown],
                    "x": [max(1.0, round(1_000 * (s[3] - s[2]))) for s in shown],
                    "y": [s[1] for s in shown],
                    "marker": {"color": colour},
                    "width": 0.5,
                    "hovertemplate": f"<b>%{{y}}</b><br>{role} from %{{base}}<extra></extra>",
                }
            )
    return figure(
        traces,
        "lineup",
        barmode="overlay",
        xaxis=time_axis(),
        yaxis=axis(fixedrange=True, categoryorder="array", categoryarray=labels[::-1]),
        margin={"l": 150, "r": 16, "t": 36, "b": 8},
    )


def lead_figure(leads: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64], float]]) -> Figure:
    """The challenger's lead so far by horizon: mean pinball saved, in per cent of the champion's.

    Each of `leads` is a horizon, target times, the gain at each, and the champion's mean loss.
    """
    traces: list[Trace] = []
    for horizon, at, gain, loss in leads:
        if not len(at) or loss <= 0:
            continue
        so_far = 100 * np.cumsum(gain) / np.arange(1, len(gain) + 1) / loss
        step = max(1, -(-len(at) // MOST_POINTS))
        keep = slice((len(at) - 1) % step, None, step)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"T{horizon}",
                "x": ms(at[keep]),
                "y": tidy(so_far[keep]),
                "line": {"width": 2, "color": COLORS[(horizon // 6 - 7) % len(COLORS)]},
                "hovertemplate": f"<b>T{horizon}</b>: %{{y:+.2f}} % of the champion's loss saved<br>"
                "bands closed to %{x}<extra></extra>",
            }
        )
    if not traces:
        return empty("No closed bands of both on the same bars yet")
    return figure(
        traces,
        "lead",
        xaxis=time_axis(),
        yaxis=axis(title="pinball saved so far, % of champion's", zeroline=True, zerolinecolor=MUTED),
        hovermode="closest",
    )
