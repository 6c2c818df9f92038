"""The bars stream as its one consumer sees it: thin, typed calls and no decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.connect import beside
from contracts.topics import GROUP, Topics
from worker.arrival import Fields

COUNTED_MAX = 1_001
"""Entries counted by hand where the server does not know: one more than readiness allows."""

RawEntry = tuple[str, Fields | None]
"""An entry's id and fields; None when its payload was trimmed away."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What still waits: entries not yet delivered, and entries delivered but not in effect."""

    lag: int = 0
    pending: int = 0


class BarsStream:
    """One partition's bars."""

    def __init__(self, redis: Redis, topics: Topics) -> None:
        self._redis: Any = redis
        self._key = topics.bars
        self._consumer = topics.consumer

    async def ensure_group(self) -> None:
        """Create the group at the stream's beginning, unless it exists.

        A reader that creates it for itself starts at the end and skips the backlog.
        """
        try:
            await self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def server_time(self) -> float:
        """The clock of the server that holds the stream, epoch seconds."""
        seconds, microseconds = await self._redis.time(**beside(self._redis, self._key))
        return float(seconds + microseconds / 1e6)

    async def pending_after(self, entry: str, count: int) -> list[RawEntry]:
        """The consumer's own pending entries after `entry`, oldest first."""
        reply = await self._redis.xreadgroup(GROUP, self._consumer, {self._key: entry}, count=count)
        rows = reply[0][1] if reply else []
        return [(entry_id.decode(), fields or None) for entry_id, fields in rows]

    async def inherit(self) -> tuple[int, list[str]]:
        """Claim what is pending under foreign consumer names.

        Whoever holds the lease is the one rightful reader, whatever name a stray one read under. Returns
        how many entries were claimed, and the ids of those whose payload is gone: claiming would drop them
        from the pending list without a word, so they are left for the caller to bury.
        """
        claimed, gone = 0, []
        for consumer in await self._redis.xinfo_consumers(self._key, GROUP):
            name, pending = consumer["name"], consumer["pending"]
            if name.decode() == self._consumer or not pending:
                continue
            rows = await self._redis.xpending_range(self._key, GROUP, "-", "+", pending, consumername=name)
            ids = [row["message_id"] for row in rows]
            found = [await self._redis.xrange(self._key, entry, entry) for entry in ids]
            there = [entry for entry, entries in zip(ids, found, strict=True) if entries]
            gone += [entry.decode() for entry, entries in zip(ids, found, strict=True) if not entries]
            if there:
                await self._redis.xclaim(self._key, GROUP, self._consumer, 0, there)
            claimed += len(there)
        return claimed, gone

    async def trim_before(self, entry: str) -> None:
        """Drop entries older than `entry`, in whole blocks."""
        await self._redis.xtrim(self._key, minid=entry, approximate=True)

    async def backlog(self) -> Backlog:
        """How many entries wait.

        Raises:
            ResponseError: the stream or its group is gone.
        """
        for group in await self._redis.xinfo_groups(self._key):
            if group["name"].decode() == GROUP:
                lag = group.get("lag")
                if lag is None:  # the server lost count: entries were deleted among those not delivered
                    after = group["last-delivered-id"].decode()
                    lag = len(await self._redis.xrange(self._key, f"({after}", "+", count=COUNTED_MAX))
                return Backlog(int(lag), int(group["pending"]))
        raise ResponseError(f"NOGROUP expected consumer group {GROUP} on {self._key}, found none")
