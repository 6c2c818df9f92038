"""A drift finding on `alerts.drift`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events.base import Event, Symbol, UtcTime


class DriftAlert(Event):
    """What a detector saw, with the evidence a person needs to judge it."""

    schema_: Literal["drift/1"] = Field(default="drift/1", alias="schema")
    symbol: Symbol | None = None
    horizon_bars: int | None = Field(default=None, gt=0)
    at: UtcTime
    detector: str
    channel: Literal["width", "coverage", "loss", "pit", "features"]
    severity: Literal["warning", "alarm"]
    statistic: float
    threshold: float
    evidence: str
    bundle: str
