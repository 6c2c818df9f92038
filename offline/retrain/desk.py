"""The atomic steps of a run, under the lock's token: accept, tell progress, end."""

from __future__ import annotations

from enum import Enum
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

from contracts.events import RetrainRequest, RetrainStatus
from contracts.topics import (
    RETRAIN_ACCEPTED,
    RETRAIN_ENDED,
    RETRAIN_GROUP,
    RETRAIN_LEASE,
    RETRAIN_RUN,
    RETRAIN_SCHEDULED,
    RETRAIN_STATUS,
)
from offline.retrain.lock import FencedError, RetrainLock
from offline.retrain.requests import Entry

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

    Every method raises `FencedError` when the lock is another's or nobody's, and writes nothing then.
    """

    def __init__(self, redis: Redis, lock: RetrainLock, status_maxlen: int) -> None:
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
        return await self._send(
            self._begin,
            [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_ACCEPTED, RETRAIN_ENDED, RETRAIN_STATUS, entry.stream],
            RETRAIN_GROUP,
            entry.id,
            request.id,
            bundle,
            status.to_wire(),
            cooldown_ms,
            "1" if request.force else "",
            self._maxlen,
        )

    async def progress(self, status: RetrainStatus) -> Answer:
        """Append a status that is further than every one before it."""
        keys = [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_STATUS]
        answer, _ = await self._send(
            self._progress, keys, status.id, repr(status.progress), status.to_wire(), self._maxlen
        )
        return answer

    async def end(self, entry: Entry, status: RetrainStatus) -> Answer:
        """Append the final status and acknowledge the request, both or neither."""
        answer, _ = await self._send(
            self._end,
            [RETRAIN_LEASE, RETRAIN_RUN, RETRAIN_ENDED, RETRAIN_STATUS, entry.stream],
            RETRAIN_GROUP,
            entry.id,
            status.id,
            status.to_wire(),
            self._maxlen,
            ENDED_KEPT,
        )
        return answer

    async def raise_once(self, stream: str, month: str, request: RetrainRequest | None) -> bool:
        """Append the month's request, or with None only note the month; False when it was seen before."""
        payload = request.to_wire() if request is not None else b""
        keys = [RETRAIN_LEASE, RETRAIN_SCHEDULED, stream]
        answer, _ = await self._send(self._schedule, keys, month, payload, self._maxlen)
        return answer is Answer.OK

    async def _send(self, script: Any, keys: list[str], *arguments: Any) -> tuple[Answer, str]:
        answer, detail = await script(keys=keys, args=[self._lock.token, *arguments])
        if answer == b"FENCED":
            raise FencedError(
                f"expected to hold {RETRAIN_LEASE} as {self._lock.token}, found "
                f"{detail.decode() or 'nobody'}; another retrainer runs, or we were away longer than the lock"
            )
        return Answer(answer.decode()), detail.decode()
