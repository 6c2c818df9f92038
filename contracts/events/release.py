"""What was live when: one entry per change of the registry's aliases, on `releases`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events.base import Event, UtcTime


class Release(Event):
    """Who changed what, and why."""

    schema_: Literal["release/1"] = Field(default="release/1", alias="schema")
    action: Literal["promote", "shadow", "withdraw", "rollback"]
    at: UtcTime
    by: str
    why: str
    to_bundle: str
    from_bundle: str | None = None
    share: float = Field(default=1.0, gt=0, le=1)
