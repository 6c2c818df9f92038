"""The streams that are told of, each read from where the last start left off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.topics import RELEASES, RETRAIN_STATUS, Topics
from ops.notify.message import Source

POSITION = "notify.position"
"""Hash: by stream the id of the last entry that was delivered."""

BEGINNING = "0-0"


def sources(partitions: int) -> dict[str, Source]:
    """Every stream that is told of, of all partitions, and what it holds."""
    topics = [Topics(partition, partitions) for partition in range(partitions)]
    told: dict[str, Source] = {one.drift: "drift" for one in topics}
    told |= {one.retrain: "retrain" for one in topics}
    return told | {RETRAIN_STATUS: "status", RELEASES: "release"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that has not been told of."""

    stream: str
    entry: str
    data: bytes

    @property
    def appended_ms(self) -> int:
        """When it was appended: between streams an id's second number says nothing."""
        return int(self.entry.partition("-")[0])


class Positions:
    """Where each stream stands, kept on the server beside the streams themselves."""

    def __init__(self, redis: Any, streams: dict[str, Source]) -> None:
        self._redis = redis
        self._streams = streams

    def begin(self, *, from_beginning: bool) -> None:
        """Note where a stream that was never read is read from: its end, or its beginning."""
        known = self._redis.hgetall(POSITION)
        for stream in self._streams:
            if stream.encode() not in known:
                start = BEGINNING if from_beginning else self._newest(stream)
                self._redis.hset(POSITION, stream, start)

    def waiting(self, page: int) -> Iterator[Waiting]:
        """What has been appended since, at most `page` entries of each stream, oldest first."""
        known = {name.decode(): at.decode() for name, at in self._redis.hgetall(POSITION).items()}
        found = []
        for stream in self._streams:
            # A lost hash must not lose what follows: an unknown position is the beginning.
            after = known.get(stream, BEGINNING)
            for entry, fields in self._redis.xrange(stream, min=f"({after}", count=page):
                found.append(Waiting(stream, entry.decode(), _data(fields)))
        yield from sorted(found, key=lambda one: one.appended_ms)  # stable: each stream keeps its order

    def done(self, one: Waiting) -> None:
        """An entry was delivered."""
        self._redis.hset(POSITION, one.stream, one.entry)

    def _newest(self, stream: str) -> str:
        newest = self._redis.xrevrange(stream, count=1)
        return newest[0][0].decode() if newest else BEGINNING


def _data(fields: Mapping[bytes, bytes]) -> bytes:
    """The message's JSON; flat fields, which the retrainer accepts too, as JSON."""
    if (data := fields.get(b"data")) is not None:
        return data
    told = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    return json.dumps(told).encode()
