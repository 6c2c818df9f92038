"""What the dashboard is made of: rows of panels, each of which shows some queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat"]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and how its series are named."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `unit` is Grafana's name for it, `bad_from` colours what is at or beyond it red."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    about: str = ""
    kind: Kind = "timeseries"
    width: int = 8
    bad_from: float | None = None
    bad_below: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


def one(
    title: str, unit: str, expr: str, legend: str = "{{instance}}", about: str = "", **more: float | str
) -> Panel:
    """A panel of one query."""
    return Panel(title, unit, (Query(expr, legend),), about, **more)  # type: ignore[arg-type]
