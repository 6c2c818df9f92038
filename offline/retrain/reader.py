"""FastStream's stream reader, made safe to leave alone: raw entries, paced retries, a heartbeat.

It only delivers: what it reads is pending from then on, and the run loop is woken. Left to itself it
retries READONLY and WRONGTYPE without a pause, and its parser breaks on bytes not meant for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from faststream.redis import RedisBroker
from faststream.redis.configs import RedisConnectionState
from faststream.redis.message import FAKE_CONSUMER, BatchStreamMessage, RedisBatchStreamMessage
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
TOLD_EVERY = 12
"""Failed reads per log line once the pause is at its longest: one line a minute."""


class PatientRedis(Redis):
    """A client whose group reads never fail fast: a fault is a pause and an empty answer.

    `beats` is the monotonic time of the last read that returned, by stream; `failures` how many failed in
    a row, `trouble` what the last one said.
    """

    failures = 0
    trouble: str | None = None

    @property
    def beats(self) -> dict[str, float]:
        """When each stream's last read returned."""
        known: dict[str, float] = self.__dict__.setdefault("_beats", {})
        return known

    async def xreadgroup(self, *args: Any, **kwargs: Any) -> Any:
        """Read as the parent does; only a lost group is raised, since no retry can cure it."""
        try:
            reply: Any = await super().xreadgroup(*args, **kwargs)
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and "NOGROUP" in str(error):
                raise
            self.failures += 1
            self.trouble = f"{type(error).__name__}: {error}"
            if self.failures == 1 or self.failures % TOLD_EVERY == 0:
                log.warning("reading requests failed %d times in a row: %s", self.failures, self.trouble)
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 6)))
            reply = []
        else:
            if self.failures:
                log.warning("reading requests works again after %d failures", self.failures)
            self.failures, self.trouble = 0, None
        for stream in kwargs.get("streams") or {}:
            self.beats[stream] = time.monotonic()
        return reply


class _PatientState(RedisConnectionState):
    async def connect(self) -> Any:
        plain = await super().connect()
        self._client = PatientRedis.from_pool(plain.connection_pool)
        return self._client


class PatientBroker(RedisBroker):
    """A Redis broker that reads through `PatientRedis`."""

    def _make_connection_state(self, connection_options: Any, kwargs: Any) -> Any:  # noqa: ARG002
        return _PatientState(connection_options)

    @property
    def reader(self) -> PatientRedis | None:
        """The client that reads; None before the broker has started."""
        client = getattr(self.config.broker_config.connection, "_client", None)
        return client if isinstance(client, PatientRedis) else None


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


async def entry_ids(message: RedisBatchStreamMessage) -> list[str]:
    """FastStream decoder: the ids of a batch, in order; the run loop reads the entries themselves."""
    return [entry.decode() for entry in message.raw_message["message_ids"]]
