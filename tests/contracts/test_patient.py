"""A failed read is a pause and an empty answer; only a lost group is an error."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

import contracts.patient
from contracts.patient import PatientRedis
from contracts.topics import GROUP, Topics
from ops.embedded import free_port

TOPICS = Topics()


async def test_a_lost_group_is_raised(embedded_url: str) -> None:
    client: Any
    async with PatientRedis.from_url(embedded_url) as client:
        with pytest.raises(ResponseError, match="NOGROUP"):
            await client.xreadgroup("nobody", "c", {"nothing": ">"})


async def test_a_dead_server_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts.patient, "FIRST_PAUSE_S", 0.001)
    client: Any
    async with PatientRedis.from_url(f"redis://127.0.0.1:{free_port()}", retry=None) as client:
        told = 0

        def tell() -> None:
            nonlocal told
            told += 1

        client.on_failure = tell
        for failures in (1, 2, 3):
            assert await client.xreadgroup(GROUP, "c", {TOPICS.bars: ">"}) == []
            assert client.failures == failures
        assert client.trouble is not None
        assert RedisConnectionError.__name__ in client.trouble
        assert client.beat > 0
        assert told == 3


async def test_it_recovers(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts.patient, "FIRST_PAUSE_S", 0.001)
    client: Any
    async with PatientRedis.from_url(embedded_url) as client:
        await client.set(TOPICS.bars, "a string")
        assert await client.xreadgroup(GROUP, "c", {TOPICS.bars: ">"}) == []
        assert "WRONGTYPE" in (client.trouble or "")
        await client.delete(TOPICS.bars)
        await client.xgroup_create(TOPICS.bars, GROUP, mkstream=True)
        await client.xadd(TOPICS.bars, {"a": "b"})
        ((_, [(_, fields)]),) = await client.xreadgroup(GROUP, "c", {TOPICS.bars: ">"})
        assert fields == {b"a": b"b"}
        assert (client.failures, client.trouble) == (0, None)
