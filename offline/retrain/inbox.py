"""The request streams as their one consumer group sees them: thin, typed calls and no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.topics import RETRAIN_CONSUMER, RETRAIN_GROUP, RETRAIN_RUN, Topics
from offline.retrain.requests import Entry


class Inbox:
    """Requests of every partition, pending until they have their final status."""

    def __init__(self, redis: Redis, topics: Sequence[Topics]) -> None:
        self._redis: Any = redis
        self._streams = tuple(one.retrain for one in topics)

    async def ensure_groups(self) -> None:
        """Create the group at each stream's beginning, unless it exists.

        A reader that creates it for itself starts at the end and skips what waits.
        """
        for stream in self._streams:
            try:
                await self._redis.xgroup_create(stream, RETRAIN_GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def inherit(self) -> int:
        """Claim what was read under other consumer names of the group; how many entries."""
        claimed = 0
        for stream in self._streams:
            for consumer in await self._redis.xinfo_consumers(stream, RETRAIN_GROUP):
                name, pending = consumer["name"].decode(), consumer["pending"]
                if name == RETRAIN_CONSUMER or not pending:
                    continue
                rows = await self._redis.xpending_range(
                    stream, RETRAIN_GROUP, "-", "+", pending, consumername=name
                )
                ids = [row["message_id"] for row in rows]
                await self._redis.xclaim(stream, RETRAIN_GROUP, RETRAIN_CONSUMER, 0, ids, justid=True)
                claimed += len(ids)
        return claimed

    async def next(self) -> Entry | None:
        """The entry to serve now: that of the run in progress, else the oldest pending; None without."""
        run = await self._redis.hmget(RETRAIN_RUN, "stream", "entry")
        oldest: Entry | None = None
        for stream in self._streams:
            reply = await self._redis.xreadgroup(
                RETRAIN_GROUP, RETRAIN_CONSUMER, {stream: "0"}, count=self._most(run, stream)
            )
            for entry_id, fields in reply[0][1] if reply else []:
                entry = Entry(stream, entry_id.decode(), fields or None)
                if run == [stream.encode(), entry_id]:
                    return entry
                if oldest is None or entry.order < oldest.order:
                    oldest = entry
        return oldest

    @staticmethod
    def _most(run: list[bytes | None], stream: str) -> int:
        """The run in progress may stand behind others on its stream; otherwise the oldest is enough."""
        return 1_000 if run[0] == stream.encode() else 1

    async def waiting(self) -> int:
        """How many requests are pending or not yet delivered.

        Raises:
            ResponseError: a stream or its group is gone.
        """
        total = 0
        for stream in self._streams:
            groups = {one["name"].decode(): one for one in await self._redis.xinfo_groups(stream)}
            if RETRAIN_GROUP not in groups:
                raise ResponseError(f"NOGROUP expected group {RETRAIN_GROUP} on {stream}, found none")
            group = groups[RETRAIN_GROUP]
            total += int(group["pending"]) + int(group.get("lag") or 0)
        return total
