"""Whether everything after a position is still in its stream.

Streams are trimmed from their head. As long as the entry at the position is there, nothing after it was
trimmed; once it is gone, the stream's own counters tell what may have gone with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

BEGINNING = "0-0"
"""The position before the first entry a stream ever had."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries of `stream` between the ids `after` and `oldest` (both exclusive) may be lost.

    `oldest` is None when the stream is gone altogether.
    """

    stream: str
    after: str
    oldest: str | None

    def __str__(self) -> str:
        found = "the stream is gone"
        if self.oldest is not None:
            found = f"the oldest entry kept is {self.oldest} ({_when(self.oldest)})"
        return (
            f"expected everything after {self.after} ({_when(self.after)}) still in {self.stream}, found "
            f"that {found}: what was between them is lost to this subscriber"
        )


def order(entry: str) -> tuple[int, int]:
    """An entry id, comparable.

    Raises:
        ValueError: it is not an entry id.

    >>> order("1700000000000-2") < order("1700000000000-10"), order("7")
    (True, (7, 0))
    """
    ms, _, sequence = entry.partition("-")
    return int(ms), int(sequence or 0)


def judge(stream: str, position: str, info: Mapping[str, Any] | None) -> Gap | str | None:
    """What has become of the entries after `position`, known not to be in the stream by itself.

    `info` is what XINFO STREAM says, None when there is no such stream. Returns None when nothing can be
    lost, the `Gap` when something may be, and an id to step back to when the stream ends before the
    position, as after a power loss that cost the server its last second.
    """
    if info is None:
        return None if position == BEGINNING else Gap(stream, position, None)
    last, first = info["last-generated-id"].decode(), info["first-entry"]
    if order(last) < order(position):
        return str(last)
    if first is None:
        lost = order(last) > order(position)
        return Gap(stream, position, None) if lost else None
    oldest = first[0].decode()
    if order(oldest) <= order(position):
        return None
    never_trimmed = info.get("entries-added") == info["length"]
    return None if position == BEGINNING and never_trimmed else Gap(stream, position, oldest)


def _when(entry: str) -> str:
    if entry == BEGINNING:
        return "the beginning"
    try:
        return datetime.fromtimestamp(order(entry)[0] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "an id that is no time"
