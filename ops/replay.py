"""Pushing bars through a running worker and collecting every record it answers with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from contracts.events import Bar, Origin
from contracts.model.candle import History
from contracts.model.grid import HORIZONS
from contracts.topics import Topics, partition_of

AHEAD_BARS = 400
"""Bars pushed beyond what the worker has taken into effect: far below what output streams keep."""

PATIENCE_S = 30.0
READ_COUNT = 1_000

OnProgress = Callable[[int, int], None]


class ReplayError(RuntimeError):
    """The worker did not answer."""


@dataclass(slots=True)
class Replayed:
    """What came back: raw JSON records in the order of their streams, and latencies in seconds.

    `latencies_s` holds, for bars pushed one at a time, the time from XADD to having read all four
    records; it is empty otherwise. `outcomes` are those of the bands whose target bar closed, `shadow` what
    a challenger would have said, `dead` the dead letters that appeared meanwhile.
    """

    records: list[bytes] = field(default_factory=list)
    outcomes: list[bytes] = field(default_factory=list)
    shadow: list[bytes] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    pushed: int = 0


def merge_bars(histories: Iterable[History], origin: Origin = "replay") -> list[Bar]:
    """The bars of all symbols in the order in which they closed, symbols by name within one close."""
    rows = [
        (candle.open_time, history.symbol, candle) for history in histories for candle in history.candles()
    ]
    return [
        Bar.model_validate({"symbol": symbol, **candle._asdict(), "origin": origin})
        for _, symbol, candle in sorted(rows)
    ]


class Replay:
    """Feeds bars into the partitions of one server and reads what comes out."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=10)
        self._topics = [Topics(p, partitions) for p in range(partitions)]
        self._kinds = {stream: kind for topics in self._topics for stream, kind in _outputs(topics)}
        self._positions = {stream: self._last_id(stream) for stream in self._kinds}
        self._leaders = {self._leader(topics) for topics in self._topics}
        self._last_read = 0.0

    def _last_id(self, stream: str) -> str:
        newest = self._redis.xrevrange(stream, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def run(
        self, bars: Sequence[Bar], *, one_by_one: bool = False, progress: OnProgress | None = None
    ) -> Replayed:
        """Push `bars` and wait until every one is in effect.

        `one_by_one` waits for each bar's four records before the next, and measures how long they took;
        otherwise up to 400 bars are in flight.

        Raises:
            ReplayError: nothing came into effect for 30 seconds.
        """
        replayed = Replayed()
        ahead = 1 if one_by_one else AHEAD_BARS
        for start in range(0, len(bars), ahead):
            batch = bars[start : start + ahead]
            began = time.perf_counter()
            last: dict[int, str] = {}
            pipe = self._redis.pipeline(transaction=False)
            sent = [pair for bar in batch for pair in self._addressed(bar)]
            for partition, bar in sent:
                pipe.xadd(self._topics[partition].bars, {"data": bar.to_wire()})
            for (partition, _), entry in zip(sent, pipe.execute(), strict=True):
                last[partition] = entry.decode()
            replayed.pushed += len(batch)
            self._collect(replayed, last)
            if one_by_one:
                replayed.latencies_s.append(self._last_read - began)
            if progress is not None:
                progress(replayed.pushed, len(bars))
        return replayed

    def _addressed(self, bar: Bar) -> list[tuple[int, Bar]]:
        """Where a bar goes: its own partition, and, a leader's, every other one as context."""
        home = partition_of(bar.symbol, len(self._topics))
        if bar.symbol not in self._leaders:
            return [(home, bar)]
        copy = bar.model_copy(update={"role": "context"})
        return [(p, bar if p == home else copy) for p in range(len(self._topics))]

    def _leader(self, topics: Topics) -> str | None:
        swap = self._redis.hget(topics.cursor, "bundle")
        leader: str | None = json.loads(swap).get("leader") if swap else None
        return leader

    def _collect(self, replayed: Replayed, last: dict[int, str]) -> None:
        """Read outputs until the cursors have reached `last`, then once more."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            block = None if self._in_effect(last) else 100
            got = self._read(replayed, block)
            if got:
                self._last_read = time.perf_counter()
                deadline = time.monotonic() + PATIENCE_S
            elif block is None:
                return
            elif time.monotonic() > deadline:
                raise ReplayError(
                    f"expected the worker to take {replayed.pushed} bars into effect, found no progress for "
                    f"{PATIENCE_S:.0f} s; see its log and `bands status`"
                )

    def _in_effect(self, last: dict[int, str]) -> bool:
        for partition, entry in last.items():
            cursor = self._redis.hget(self._topics[partition].cursor, "entry")
            if cursor is None or _order(cursor.decode()) < _order(entry):
                return False
        return True

    def _read(self, replayed: Replayed, block: int | None) -> int:
        reply = self._redis.xread(self._positions, count=READ_COUNT, block=block)
        got = 0
        for stream, entries in reply or ():
            name = stream.decode()
            target: list[bytes] = getattr(replayed, self._kinds[name])
            target += [fields[b"data"] for _, fields in entries]
            self._positions[name] = entries[-1][0].decode()
            got += len(entries)
        return got

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()


def _outputs(topics: Topics) -> Iterator[tuple[str, str]]:
    """Every stream that is read, with the name of the list in `Replayed` its payloads go to."""
    for horizon in HORIZONS:
        yield topics.bands(horizon), "records"
        yield topics.outcomes(horizon), "outcomes"
        yield topics.shadow(horizon), "shadow"
    yield topics.dead, "dead"


def _order(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq)
