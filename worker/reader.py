"""FastStream's stream reader, made safe to leave alone: raw entries, paced retries, a heartbeat.

Left to itself the reader retries READONLY and WRONGTYPE without a pause, and its parser breaks on bytes
that are not meant for it. Here every failed read pauses, up to five seconds, and counts as an empty one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from faststream.redis import RedisBroker
from faststream.redis.configs import RedisConnectionState
from faststream.redis.message import FAKE_CONSUMER, BatchStreamMessage, RedisBatchStreamMessage
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from contracts.connect import SteadyCluster
from worker.bars import RawEntry
from worker.metrics import READER_FAILURES

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
TOLD_EVERY = 12
"""Failed reads per log line once the pause is at its longest: one line a minute."""


class Patient:
    """A client's group reads that never fail fast: a fault is a pause and an empty answer.

    `beat` is the monotonic time of the last read that returned, `failures` how many failed in a row,
    `trouble` what the last one said.
    """

    beat = 0.0
    failures = 0
    trouble: str | None = None

    async def xreadgroup(self, *args: Any, **kwargs: Any) -> Any:
        """Read as the parent does; only a lost group is raised, since no retry can cure it."""
        try:
            reply: Any = await super().xreadgroup(*args, **kwargs)  # type: ignore[misc]
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and "NOGROUP" in str(error):
                raise
            self.failures += 1
            READER_FAILURES.inc()
            self.trouble = f"{type(error).__name__}: {error}"
            if self.failures == 1 or self.failures % TOLD_EVERY == 0:
                log.warning("reading bars failed %d times in a row: %s", self.failures, self.trouble)
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 6)))
            reply = []
        else:
            if self.failures:
                log.warning("reading bars works again after %d failures", self.failures)
            self.failures, self.trouble = 0, None
        self.beat = time.monotonic()
        return reply


class PatientRedis(Patient, Redis):  # type: ignore[misc]
    """One server, read patiently."""


class PatientCluster(Patient, SteadyCluster):  # type: ignore[misc]
    """A cluster, read patiently."""


class _PatientState(RedisConnectionState):
    """Connects by the URL itself: FastStream's own options know neither clusters nor every part of TLS."""

    def __init__(self, url: str, options: dict[str, Any], *, cluster: bool) -> None:
        super().__init__()
        self._make: Callable[[], Any] = (
            partial(PatientCluster.from_url, url, require_full_coverage=False, **options)
            if cluster
            else partial(PatientRedis.from_url, url, **options)
        )

    async def connect(self) -> Any:
        self._client = self._make()
        self._connected = True
        return self._client


class PatientBroker(RedisBroker):
    """A Redis broker that reads through a patient client of one server or of a cluster."""

    def __init__(self, url: str, *, cluster: bool, socket_timeout: float, **kwargs: Any) -> None:
        self._state = _PatientState(url, {"socket_timeout": socket_timeout}, cluster=cluster)
        super().__init__(**kwargs)

    def _make_connection_state(self, connection_options: Any, kwargs: Any) -> Any:  # noqa: ARG002
        return self._state

    @property
    def reader(self) -> Patient | None:
        """The client that reads; None before the broker has started."""
        client = getattr(self._state, "_client", None)
        return client if isinstance(client, Patient) else None


async def keep_raw(message: BatchStreamMessage) -> RedisBatchStreamMessage:
    """FastStream parser that touches no byte of the entries."""
    ids = message["message_ids"]
    return RedisBatchStreamMessage(
        raw_message=message,
        body=b"",
        consumer=FAKE_CONSUMER,
        group=None,
        message_id=ids[-1].decode(),
        correlation_id=ids[0].decode(),
    )


async def raw_entries(message: RedisBatchStreamMessage) -> list[RawEntry]:
    """FastStream decoder: the ids and fields of a batch, in order."""
    raw = message.raw_message
    return [
        (entry.decode(), fields or None)
        for entry, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]
