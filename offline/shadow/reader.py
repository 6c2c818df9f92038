"""Reading the streams into a ledger: only what is new, and always up to one moment between two commits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from redis.exceptions import ResponseError

from contracts.connect import transaction
from contracts.events import Band, Event, Outcome
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from offline.shadow.ledger import Ledger

CHUNK = 5_000
SAME_COMMIT_MS = 1_000
"""A band and its shadow are written by one script, so nearly at one time of the server's clock."""
UNKNOWN, UNCOUNTED = -1, -2
"""In a cursor's place of entries ever added: the first reading, and one whose beginning was passed over."""
End = tuple[str, int, str]
E = TypeVar("E", bound=Event)


def refresh(ledger: Ledger, client: Any, partitions: int = 1, *, since_ms: int = 0) -> None:
    """Read what the streams of every partition have had since the last reading, and settle what is due.

    `client` is a synchronous Redis client without decoding. `since_ms` is when the challenger was put in
    shadow, by the server's clock; 0 when that is not known. Entries younger than that which were trimmed
    before they could be read are counted in `ledger.left_out["trimmed"]`.

    Raises:
        redis.exceptions.RedisError: the server does not answer; the ledger is then to be dropped.
    """
    for partition in range(partitions):
        topics = Topics(partition, partitions)
        ends = _ends(client, topics)
        for horizon in HORIZONS:
            _issue(ledger, client, topics, horizon, ends, since_ms)
        for horizon in HORIZONS:
            for _, outcome in _unread(ledger, client, topics.outcomes(horizon), ends, Outcome, since_ms):
                ledger.close(outcome)
    ledger.settle()


def _ends(client: Any, topics: Topics) -> dict[str, End]:
    """The last id of each stream, entries ever added and the first id left, all at one moment."""
    streams = [
        name(horizon) for horizon in HORIZONS for name in (topics.shadow, topics.bands, topics.outcomes)
    ]
    with transaction(client, streams[0]) as pipe:
        for stream in streams:
            pipe.xinfo_stream(stream)
        answers = pipe.execute(raise_on_error=False)
    found = {}
    for stream, told in zip(streams, answers, strict=True):
        if isinstance(told, ResponseError):
            if "no such key" not in str(told):
                raise told
            continue
        first = told["first-entry"]
        found[stream] = (
            told["last-generated-id"].decode(),
            int(told.get("entries-added", told["length"])),
            first[0].decode() if first else "",
        )
    return found


def _issue(
    ledger: Ledger, client: Any, topics: Topics, horizon: int, ends: Mapping[str, End], since_ms: int
) -> None:
    shadows: dict[tuple[str, int], Band] = {}
    first = None
    for entry, band in _unread(ledger, client, topics.shadow(horizon), ends, Band, since_ms):
        first = first or entry
        if band.is_band:
            shadows[_place(band)] = band
    beside = (topics.bands(horizon), topics.outcomes(horizon))
    for stream in beside:
        _skip_to(ledger, stream, first, ends)
    if first is None:
        if beside[0] in ends:
            ledger.cursors[beside[0]] = ends[beside[0]][:2]
        return
    bands = (band for _, band in _unread(ledger, client, beside[0], ends, Band, since_ms) if band.is_band)
    ledger.issue((band, shadows[_place(band)]) for band in bands if _place(band) in shadows)


def _place(band: Band) -> tuple[str, int]:
    return band.symbol, int(band.issued_at.timestamp())


def _skip_to(ledger: Ledger, stream: str, entry: str | None, ends: Mapping[str, End]) -> None:
    """At the first reading, pass over what is older than the challenger's first record."""
    if stream not in ends or stream in ledger.cursors or entry is None:
        return
    start = f"{max(0, _order(entry)[0] - SAME_COMMIT_MS)}-0"
    if _order(start) > _order(ends[stream][2]):
        ledger.cursors[stream] = (min(start, ends[stream][0], key=_order), UNCOUNTED)


def _unread(
    ledger: Ledger, client: Any, stream: str, ends: Mapping[str, End], kind: type[E], since_ms: int
) -> Iterator[tuple[str, E]]:
    """Entries after the cursor with their ids; the cursor moves on when they are exhausted."""
    if stream not in ends:
        return
    last, added, oldest = ends[stream]
    start = (f"{ledger.after_ms}-0", UNKNOWN)
    at, before = ledger.cursors.get(stream, start)
    if _order(at) > _order(last) or before > added:
        at, before = start  # the server started anew; a cell that is in already is not counted again
    count = 0
    while _order(at) < _order(last):
        chunk = client.xrange(stream, f"({at}", last, count=CHUNK)
        for entry, told in chunk:
            count += 1
            try:
                yield entry.decode(), kind.from_wire(told[b"data"])
            except (ValidationError, KeyError):
                ledger.left_out["unreadable"] += 1
        at = chunk[-1][0].decode() if len(chunk) == CHUNK else last
    if before >= 0:
        ledger.left_out["trimmed"] += max(0, added - before - count)
    elif before == UNKNOWN and since_ms and _order(oldest)[0] > since_ms:
        ledger.left_out["trimmed"] += max(0, added - count)
    ledger.cursors[stream] = (last, added)


def _order(entry: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)-(\d+)", entry)
    return (int(match[1]), int(match[2])) if match else (0, 0)
