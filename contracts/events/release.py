"""What was live when: one entry per change of the registry's aliases, on `releases`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events.base import Event, UtcTime


class Release(Event):
    """Who changed what, and why.

    `to_bundle` is what the change puts in its place, `from_bundle` what leaves it: of a promotion and a
    rollback the champion, of `shadow` the challenger; a `withdraw` goes from the challenger back to the
    champion alone. `share` is the part of the symbols that `to_bundle` serves for real. `id` names the
    change: an entry is written once however often its writer was cut off.
    """

    schema_: Literal["release/1"] = Field(default="release/1", alias="schema")
    action: Literal["promote", "shadow", "withdraw", "rollback"]
    at: UtcTime
    by: str
    why: str
    to_bundle: str
    from_bundle: str | None = None
    share: float = Field(default=1.0, ge=0, le=1)
    id: str | None = Field(default=None, min_length=1, max_length=64)
