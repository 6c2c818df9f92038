"""Which streams are read, and how an entry of each becomes something to keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from contracts.events import (
    Band,
    DeadLetter,
    DriftAlert,
    Event,
    Outcome,
    Release,
    RetrainRequest,
    RetrainStatus,
)
from contracts.model.grid import HORIZONS
from contracts.topics import RELEASES, RETRAIN_STATUS, Topics
from offline.retrain.archive import accepted
from ops.dashboard.cache import Cache, Swap

E = TypeVar("E", bound=Event)
Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]
Take = Callable[[Entries], None]


@dataclass(frozen=True, slots=True)
class Source:
    """One stream. `in_order` ones are read from their beginning, the others newest first."""

    stream: str
    take: Take
    in_order: bool
    page: int = 2_000
    """Entries per read: some 2 MB, and 20 ms of parsing during which a page waits."""


def moment_of(entry: bytes | str) -> float:
    """When the server wrote an entry, epoch seconds."""
    text = entry.decode() if isinstance(entry, bytes) else entry
    return int(text.partition("-")[0]) / 1_000


def sources(cache: Cache, partitions: int, now_s: Callable[[], float]) -> list[list[Source]]:
    """The streams of every partition, and last those without one; `now_s` is the server's clock."""
    found = [_of_partition(cache, Topics(n, partitions), now_s) for n in range(partitions)]
    shared = [
        Source(RELEASES, _notices(cache, RELEASES, "releases", Release, stamped=True), True),
        Source(RETRAIN_STATUS, _notices(cache, RETRAIN_STATUS, "statuses", RetrainStatus), True),
    ]
    return [*found, shared]


def _of_partition(cache: Cache, topics: Topics, now_s: Callable[[], float]) -> list[Source]:
    found = [
        Source(topics.bars, _bars(cache, topics, now_s), True),
        Source(topics.swaps, _swaps(cache, topics), True),
        Source(topics.drift, _notices(cache, topics.drift, "drift", DriftAlert), True),
        Source(topics.retrain, _notices(cache, topics.retrain, "requests", RetrainRequest), True),
        # A dead letter may hold 88 KB.
        Source(topics.dead, _dead(cache, topics.dead), True, page=100),
    ]
    for horizon in HORIZONS:
        found.append(Source(topics.bands(horizon), _bands(cache, topics.bands(horizon)), False))
        found.append(Source(topics.outcomes(horizon), _outcomes(cache, topics.outcomes(horizon)), False))
    return found


def read(cache: Cache, stream: str, kind: type[E], entries: Entries) -> Iterator[tuple[bytes, E]]:
    """The entries that are messages of `kind`; the others are counted and passed over."""
    for entry, fields in entries:
        try:
            yield entry, kind.from_wire(fields[b"data"])
        except (ValidationError, KeyError):
            cache.skip(stream)


def _bars(cache: Cache, topics: Topics, now_s: Callable[[], float]) -> Take:
    newest: dict[str, int] = {}

    def take(entries: Entries) -> None:
        pairs = [(entry.decode(), fields) for entry, fields in entries]
        found: dict[str, list[Any]] = {}
        for symbol, candle in accepted(pairs, topics, now_s(), newest):
            found.setdefault(symbol, []).append(candle)
        for symbol, candles in found.items():
            cache.add_bars(symbol, candles)

    return take


def _bands(cache: Cache, stream: str) -> Take:
    return lambda entries: cache.add_bands(band for _, band in read(cache, stream, Band, entries))


def _outcomes(cache: Cache, stream: str) -> Take:
    return lambda entries: cache.add_outcomes(one for _, one in read(cache, stream, Outcome, entries))


def _notices(cache: Cache, stream: str, kind: str, model: type[E], *, stamped: bool = False) -> Take:
    def take(entries: Entries) -> None:
        told = read(cache, stream, model, entries)
        cache.add_notices(kind, [(moment_of(at), one) if stamped else one for at, one in told])

    return take


def _dead(cache: Cache, stream: str) -> Take:
    def take(entries: Entries) -> None:
        told = read(cache, stream, DeadLetter, entries)
        slim = [(moment_of(at), letter.model_copy(update={"fields": ()})) for at, letter in told]
        cache.add_notices("dead", slim)

    return take


def _swaps(cache: Cache, topics: Topics) -> Take:
    def take(entries: Entries) -> None:
        found = []
        for entry, fields in entries:
            try:
                record = json.loads(fields[b"data"])
                rival = record.get("challenger") or {}
                _ = record["after"]  # every swap has it
                swap = Swap(
                    moment_of(entry),
                    topics.partition,
                    record.get("label"),
                    rival.get("label"),
                    float(record.get("share", 0.0)),
                )
            except (KeyError, ValueError, TypeError, AttributeError):
                cache.skip(topics.swaps)
                continue
            found.append(swap)
        cache.add_notices("swaps", found)

    return take
