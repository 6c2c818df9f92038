"""FastStream's stream reader, made safe to leave alone: raw entries, paced retries, a heartbeat.

Left to itself the reader retries READONLY and WRONGTYPE without a pause, and its parser breaks on bytes
that are not meant for it. Here every failed read pauses, up to five seconds, and counts as an empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from faststream.redis import RedisBroker
from faststream.redis.configs import RedisConnectionState
from faststream.redis.message import FAKE_CONSUMER, BatchStreamMessage, RedisBatchStreamMessage

from contracts.patient import Patient, patient
from worker.bars import RawEntry
from worker.metrics import READER_FAILURES


class _PatientState(RedisConnectionState):
    """Connects by the URL itself: FastStream's own options know neither clusters nor every part of TLS."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    async def connect(self) -> Any:
        client = self._make()
        client.on_failure = READER_FAILURES.inc
        self._client, self._connected = client, True
        return client


class PatientBroker(RedisBroker):
    """A Redis broker that reads through a patient client of one server or of a cluster."""

    def __init__(self, url: str, *, cluster: bool, socket_timeout: float, **kwargs: Any) -> None:
        self._state = _PatientState(partial(patient, url, cluster=cluster, socket_timeout=socket_timeout))
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
