"""What views are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Output, dcc, html

from contracts.model.grid import HORIZONS
from ops.dashboard.theme import CONFIG
from ops.dashboard.words import days

ALL = "*"
RANGES: dict[str, float] = {"30": 30.0, "90": 90.0, "365": 365.0, "1095": 1_095.0, "1830": 1_830.0}
RANGE_NAMES = {"30": "30 d", "90": "90 d", "365": "1 y", "1095": "3 y", "1830": "5 y"}


_CONFIG: Any = CONFIG  # Dash's own type names keys it has no value for


PAUSED: Any = [(Output("tick", "disabled"), True, False)]
"""While a view is drawn the clock of the page stands still: Dash drops an answer that the next question has
overtaken, so that a machine too slow for one a second would never show any."""


def aria(**words: str) -> Any:
    """What is said to those who can not see, as keyword arguments of a component."""
    return {f"aria-{name}": value for name, value in words.items()}


def card(title: str, *children: Any, note: str = "", wide: bool = False) -> Any:
    """A titled part of a view."""
    head = [html.H2(title), html.P(note, className="note")] if note else [html.H2(title)]
    return html.Section([html.Header(head), *children], className="card wide" if wide else "card")


def graph(name: str, label: str, *, tall: bool = False) -> Any:
    """A place for a figure; `label` says what it shows to those who can not see it."""
    there = dcc.Graph(id=name, config=_CONFIG, responsive=True, figure=_blank(), className="plot")
    kind = "graph tall" if tall else "graph"
    return html.Div(there, className=kind, role="img", **aria(label=label))


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], empty: str, caption: str = "") -> Any:
    """A table, or in words why it is empty. Cells are text or components."""
    if not rows:
        return html.P(empty, className="empty")
    head = html.Thead(html.Tr([html.Th(header, scope="col") for header in headers]))
    body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
    parts = [html.Caption(caption), head, body] if caption else [head, body]
    return html.Div(html.Table(parts), className="scroll", tabIndex="0")


def pill(words: str, kind: str = "calm") -> Any:
    """A word on a coloured ground: `good`, `warn`, `bad` or `calm`."""
    return html.Span(words, className=f"pill {kind}")


def symbol_picker(name: str, symbols: Sequence[str], *, every: bool = False) -> Any:
    """A drop-down of symbols; more of them come with the data."""
    options: list[Any] = [{"label": symbol, "value": symbol} for symbol in symbols] if every else [*symbols]
    if every:
        options.insert(0, {"label": "all symbols", "value": ALL})
    return _labelled(
        "Symbol",
        dcc.Dropdown(
            id=name,
            options=options,
            value=ALL if every else next(iter(symbols), None),
            clearable=False,
            searchable=True,
            placeholder="no symbol yet",
            persistence=True,
            persistence_type="session",
            className="dropdown",
        ),
        name,
    )


def horizon_picker(name: str) -> Any:
    """One of the four horizons."""
    options = [{"label": f"T{h} · {days(h)}", "value": h} for h in HORIZONS]
    return _choice("Horizon", name, options, HORIZONS[0])


def range_picker(name: str, value: str = "90") -> Any:
    """How far back."""
    return _choice("Range", name, [{"label": RANGE_NAMES[k], "value": k} for k in RANGES], value)


def _choice(label: str, name: str, options: list[dict[str, Any]], value: Any) -> Any:
    there = dcc.RadioItems(
        id=name,
        options=options,
        value=value,
        inline=True,
        persistence=True,
        persistence_type="session",
        className="choice",
    )
    return html.Div(
        [html.Span(label, className="label", id=f"{name}-label"), there],
        className="control",
        role="group",
        **aria(labelledby=f"{name}-label"),
    )


def _labelled(label: str, there: Any, name: str) -> Any:
    return html.Div([html.Label(label, htmlFor=name, className="label"), there], className="control")


def _blank() -> dict[str, Any]:
    hidden = {"visible": False}
    return {
        "data": [],
        "layout": {
            "xaxis": hidden,
            "yaxis": hidden,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
        },
    }
