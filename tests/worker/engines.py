"""Reading what an engine said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.events import Band, Bar, Outcome
from worker.arrival import Arrival
from worker.step import Event


def arrivals(bars: Iterable[Bar], first: int = 1) -> list[Arrival]:
    """Bars as entries 1-0, 2-0, …"""
    return [Arrival(f"{n}-0", {b"data": bar.to_wire()}, bar) for n, bar in enumerate(bars, first)]


def bands(events: Sequence[Event], horizon: int = 42, kind: str = "bands") -> list[Band]:
    """The records of one horizon, published ones or those of `shadow`."""
    return [Band.from_wire(e.payload) for e in events if e.stream == f"{kind}.T{horizon}"]


def outcomes(events: Sequence[Event], horizon: int = 42) -> list[Outcome]:
    """The outcomes of one horizon."""
    return [Outcome.from_wire(e.payload) for e in events if e.stream == f"outcomes.T{horizon}"]
