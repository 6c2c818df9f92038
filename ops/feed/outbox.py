"""Bars on their way to the streams: written down first, sent until acknowledged, then recorded as sent.

After a crash or a lost reply the bars of the last intent are sent once more with the very same numbers, which
the worker takes for duplicates. A candle that the exchange revised in between can therefore never arrive
as a second version of a bar that may have been sent already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from contracts.events import Bar
from contracts.events.bar import Origin
from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS, close_time, iso
from contracts.topics import FEED_INTENT, FEED_SENT, Topics, partition_of

BATCH = 100
"""Bars written down and sent at once: what a crash may send a second time."""


def origin_at(now: float, open_time: int) -> Origin:
    """`live` while no later bar has closed at `now` (epoch seconds), `backfill` afterwards.

    >>> origin_at(28_799.0, 0), origin_at(28_800.0, 0)
    ('live', 'backfill')
    """
    return "live" if close_time(open_time) + BAR_SECONDS > now else "backfill"


def _as_of(now: float, data: str) -> str:
    bar = Bar.from_wire(data)
    return bar.model_copy(update={"origin": origin_at(now, bar.candle.open_time)}).to_wire().decode()


# Only forward: a feed that lost its lease in its sleep must not wind its successor back. ISO 8601 text
# compares as the times do.
_ADVANCE = """#!lua
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or known < ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A bar to be sent."""

    name: str
    candle: Candle
    origin: Origin

    @property
    def order(self) -> tuple[int, str]:
        """Bars go out by their close, then by name."""
        return close_time(self.candle.open_time), self.name

    def bar(self) -> Bar:
        """The message."""
        opened, *numbers = self.candle
        names = ("open", "high", "low", "close", "volume")
        fields = dict(zip(names, numbers, strict=True))
        return Bar.model_validate(
            {"symbol": self.name, "open_time": iso(opened), "origin": self.origin, **fields}
        )


class Outbox:
    """The streams of every partition. Each command touches one key, so that a cluster serves too.

    `redis` is an asyncio client of a server or of a cluster. Every method raises `RedisError` while the
    server is away; then `recover` comes before the next `send`.
    """

    def __init__(self, redis: Any, partitions: int, leader: str | None) -> None:
        self._redis = redis
        self._partitions = partitions
        self._leader = leader

    async def recover(self, now: float) -> dict[str, str]:
        """Send what may not have arrived; return the open time of every symbol's last bar, as ISO 8601.

        A bar that is no longer the newest by the exchange's clock `now` is no longer sent as live.
        """
        sent = await self._sent()
        intent = json.loads(await self._redis.get(FEED_INTENT) or b"[]")
        again = [item for item in intent if item["open_time"] > sent.get(item["symbol"], "")]
        for item in again:
            item["entries"] = [(stream, _as_of(now, data)) for stream, data in item["entries"]]
        await self._append(again)
        return await self._sent() if again else sent

    async def send(self, bars: Sequence[Outgoing]) -> dict[str, Exception]:
        """Send at most `BATCH` bars in their order, and record them as sent.

        On a cluster the stream of a partition may be away alone: what was met there, by the names of the
        symbols whose bars could not all be sent.
        """
        items = [
            {"symbol": one.name, "open_time": iso(one.candle.open_time), "entries": self._entries(one.bar())}
            for one in sorted(bars, key=lambda one: one.order)
        ]
        await self._redis.set(FEED_INTENT, json.dumps(items))
        return await self._append(items)

    async def _append(self, items: Sequence[dict[str, Any]]) -> dict[str, Exception]:
        last: dict[str, str] = {}
        away: dict[str, Exception] = {}
        undelivered: dict[str, Exception] = {}
        for item in items:
            symbol = item["symbol"]
            for stream, data in item["entries"]:
                if stream not in away and symbol not in undelivered:
                    try:
                        await self._redis.xadd(stream, {"data": data})
                    except (RedisError, OSError) as error:
                        away[stream] = error
                if stream in away:
                    undelivered.setdefault(symbol, away[stream])
            if symbol not in undelivered:
                last[symbol] = item["open_time"]
        if last:
            await self._redis.eval(_ADVANCE, 1, FEED_SENT, *(word for pair in last.items() for word in pair))
        return undelivered

    async def _sent(self) -> dict[str, str]:
        found = await self._redis.hgetall(FEED_SENT)
        return {name.decode(): open_time.decode() for name, open_time in found.items()}

    def _entries(self, bar: Bar) -> list[tuple[str, str]]:
        """Which streams get the bar, and as what: its own, and of the leader's every other partition's."""
        home = partition_of(bar.symbol, self._partitions)
        entries = [(Topics(home, self._partitions).bars, bar.to_wire().decode())]
        if bar.symbol == self._leader:
            context = bar.model_copy(update={"role": "context"}).to_wire().decode()
            others = (number for number in range(self._partitions) if number != home)
            entries += [(Topics(number, self._partitions).bars, context) for number in others]
        return entries
