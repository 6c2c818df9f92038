"""The atomic steps of a run, under the lock's token: accept, tell progress, end."""

from __future__ import annotations

import logging
from enum import Enum
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.events import RetrainRequest, RetrainStatus
from contracts.lease import Lease
from contracts.topics import (
    RETRAIN_ACCEPTED,
    RETRAIN_ENDED,
    RETRAIN_GROUP,
    RETRAIN_LEASE,
    RETRAIN_RUN,
    RETRAIN_SCHEDULED,
    RETRAIN_STATUS,
)
from offline.retrain.fenced import FencedError
from offline.retrain.requests import Entry

log = logging.getLogger(__name__)

ENDED_KEPT = 10_000
"""Run ids remembered so that the same request, sent again, does not run again: years of them."""


class Answer(Enum):
    """What a script says. COOLDOWN and OLD have written nothing."""

    STARTED = "STARTED"
    RESUMED = "RESUMED"
    COOLDOWN = "COOLDOWN"
    ENDED = "ENDED"
    """The id has its final status already; the entry is acknowledged."""
    GONE = "GONE"
    """The entry is not pending, or the run not in progress: someone has settled it."""
    OLD = "OLD"
    """This much progress has been told."""
    SEEN = "SEEN"
    """The month has been dealt with."""
    OK = "OK"


class Desk:
    """Runs the scripts. Each is safe to send again when its reply was lost.

    Every method raises `FencedError` when the lock is another's, and writes nothing then. A lock that ran out
    and is nobody's is taken again: the scripts look for themselves whether the run is still ours to tell of.

    On a `cluster` no script reaches the request stream: there the acknowledgement follows the final status.
    Cut off in between, the request is served again, its id is found to have ended, and it is acknowledged.
    """

    def __init__(self, redis: Redis, lock: Lease, status_maxlen: int, *, cluster: bool = False) -> None:
        self._redis: Any = redis
        self._cluster = cluster
        self._lock = lock
        self._maxlen = status_maxlen
        lua = files("offline.retrain").joinpath("lua")
        self._begin, self._progress, self._end, self._schedule = (
            redis.register_script(lua.joinpath(f"{name}.lua").read_text())
            for name in ("begin", "progress", "end", "schedule")
        )

    async def begin(
        self, entry: Entry, request: RetrainRequest, bundle: str, status: RetrainStatus, cooldown_ms: int
    ) -> tuple[Answer, str]:
        """Accept a request for `bundle`, or go on with it; how often it was started since it last moved.

        COOLDOWN comes with when (server's milliseconds) and as what id a run was accepted before.
        """
        if await self._is_gone(entry):
            return Answer.GONE, ""
        keys = [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_ACCEPTED, RETRAIN_ENDED, RETRAIN_STATUS]
        answer, detail = await self._send(
            self._begin,
            keys + self._reached(entry.stream),
            entry.stream,
            RETRAIN_GROUP,
            entry.id,
            request.id,
            bundle,
            status.to_wire(),
            cooldown_ms,
            "1" if request.force else "",
            self._maxlen,
        )
        if answer is Answer.ENDED:
            await self._acknowledge(entry)
        return answer, detail

    async def progress(self, status: RetrainStatus) -> Answer:
        """Append a status that is further than every one before it, or as far and its stage's first."""
        keys = [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_STATUS]
        answer, _ = await self._send(
            self._progress,
            keys,
            status.id,
            repr(status.progress),
            status.stage,
            status.to_wire(),
            self._maxlen,
        )
        return answer

    async def end(self, entry: Entry, status: RetrainStatus) -> Answer:
        """Append the final status and acknowledge the request, both or neither."""
        if await self._is_gone(entry):
            return Answer.GONE
        answer, _ = await self._send(
            self._end,
            [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_ENDED, RETRAIN_STATUS, *self._reached(entry.stream)],
            RETRAIN_GROUP,
            entry.id,
            status.id,
            status.to_wire(),
            self._maxlen,
            ENDED_KEPT,
        )
        try:
            await self._acknowledge(entry)
        except (RedisError, OSError):
            if answer is not Answer.OK:
                raise
            # Still pending: served again, it is found to have ended, and acknowledged.
        return answer

    async def raise_once(self, stream: str, month: str, request: RetrainRequest | None) -> bool:
        """Append the month's request, or with None only note the month; False when it was seen before."""
        payload = request.to_wire() if request is not None else b""
        if self._cluster and payload:
            await self._redis.xadd(stream, {"data": payload}, maxlen=self._maxlen)
        keys = [RETRAIN_LEASE, RETRAIN_SCHEDULED, *self._reached(stream)]
        answer, _ = await self._send(self._schedule, keys, month, payload, self._maxlen)
        return answer is Answer.OK

    def _reached(self, stream: str) -> list[str]:
        return [] if self._cluster else [stream]

    async def _is_gone(self, entry: Entry) -> bool:
        if not self._cluster:
            return False  # the script looks for itself
        return not await self._redis.xpending_range(entry.stream, RETRAIN_GROUP, entry.id, entry.id, 1)

    async def _acknowledge(self, entry: Entry) -> None:
        if self._cluster:
            await self._redis.xack(entry.stream, RETRAIN_GROUP, entry.id)

    async def _send(self, script: Any, keys: list[str], *arguments: Any) -> tuple[Answer, str]:
        while True:
            token = self._lock.token
            answer, detail = await script(keys=keys, args=[token, *arguments])
            if answer != b"FENCED":
                return Answer(answer.decode()), detail.decode()
            if (owner := await self._lock.acquire()) is not None:
                raise FencedError(
                    f"expected to hold {RETRAIN_LEASE} as {token}, found {owner}; another retrainer runs"
                )
            log.warning("lock %s ran out; took %s", token, self._lock.token)
