"""The worker process from inside: what it is told, what it answers, how it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from contracts.patient import Patient
from contracts.topics import GROUP, Topics
from ops.embedded import free_port
from tests.market import TestMarket
from worker.config import WorkerConfig
from worker.health import MAX_BACKLOG_ENTRIES, Health
from worker.registry import RegistrySettings
from worker.service import BAD_BUNDLE, FENCED, STOPPED, Worker, serve
from worker.upkeep import end_tasks

TOPICS = Topics()


def config(url: str, market: TestMarket, **more: Any) -> WorkerConfig:
    settings = {"bundle": market.folder, "http_port": free_port(), "block_ms": 50, "sweep_interval_s": 0.05}
    return WorkerConfig(url, **{**settings, **more})


async def wait_ready(worker: Worker) -> None:
    async with asyncio.timeout(30):
        while worker.health.problems():
            await asyncio.sleep(0.01)


class TestConfig:
    """A worker is told of exactly one source of its bundle."""

    def test_neither(self) -> None:
        with pytest.raises(ValueError, match="either a bundle folder or a registry"):
            WorkerConfig("redis://localhost")

    def test_both(self, tmp_path: Path) -> None:
        registry = RegistrySettings("sqlite://", tmp_path)
        with pytest.raises(ValueError, match="either a bundle folder or a registry"):
            WorkerConfig("redis://localhost", bundle=tmp_path, registry=registry)


async def test_it_serves_until_told_to_stop(embedded_url: str, market: TestMarket) -> None:
    client: Any = Redis.from_url(embedded_url)
    worker = Worker(config(embedded_url, market))
    running = asyncio.create_task(worker.run())
    await wait_ready(worker)
    bars = market.bars(10)
    for bar in bars:
        await asyncio.to_thread(client.xadd, TOPICS.bars, {"data": bar.to_wire()})
    async with asyncio.timeout(30):
        while client.xlen("bands.T60") < len(bars):
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == STOPPED
    assert client.get(TOPICS.lease) is None
    assert client.xpending(TOPICS.bars, GROUP)["pending"] == 0


async def test_a_server_that_stalls_while_the_reader_starts_gets_one_reader(
    embedded_url: str, market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = Redis.from_url(embedded_url)
    worker = Worker(config(embedded_url, market))
    create = AsyncRedis.xgroup_create
    stalls: list[Any] = []

    async def then_stall(self: Any, *words: Any, **options: Any) -> Any:
        try:
            return await create(self, *words, **options)
        finally:
            if isinstance(self, Patient) and not stalls:
                stalls.append(client.client_pause(4_000))

    monkeypatch.setattr(AsyncRedis, "xgroup_create", then_stall)
    running = asyncio.create_task(worker.run())
    await wait_ready(worker)
    readers = set()
    for _ in range(40):
        blocked = [one for one in client.client_list() if one["cmd"] == "xreadgroup" and "b" in one["flags"]]
        readers.add(len(blocked))
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == STOPPED
    assert stalls
    assert max(readers) == 1


async def test_a_stolen_lease_ends_it_even_while_the_server_is_busy(
    embedded_url: str, market: TestMarket
) -> None:
    client: Any = Redis.from_url(embedded_url)
    worker = Worker(config(embedded_url, market, lease_ttl_ms=300))
    running = asyncio.create_task(worker.run())
    await wait_ready(worker)
    client.set(TOPICS.lease, "9:thief")
    async with asyncio.timeout(20):
        assert await running == FENCED
    assert client.get(TOPICS.lease) == b"9:thief"


async def test_an_altered_bundle_is_refused(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    folder = shutil.copytree(market.folder, tmp_path / "altered")
    with (folder / "calibrators.json").open("ab") as handle:
        handle.write(b" ")
    assert await serve(config(embedded_url, market, bundle=folder)) == BAD_BUNDLE
    assert Redis.from_url(embedded_url).dbsize() == 0


async def test_a_taken_port_is_told_before_anything_starts(embedded_url: str, market: TestMarket) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"expected a free port {port} on 127\.0\.0\.1 .*--http-port"):
            await serve(config(embedded_url, market, http_port=port))
    assert Redis.from_url(embedded_url).dbsize() == 0


async def test_tasks_that_swallow_a_cancellation_are_ended_all_the_same() -> None:
    """Before Python 3.12 `asyncio.wait_for` loses a cancellation that arrives together with its result."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end_tasks([task], 0.01)
    assert task.cancelled()
    assert swallowed == 3


class TestHealth:
    """Ready needs everything at once."""

    def test_nothing_is_ready_at_first(self) -> None:
        problems = Health(reader_silence_s=1.0).problems()
        assert problems == ["lease: not held", "bundle: none in force", "reader: not running"]

    async def test_each_part_is_missed(self, embedded_url: str, market: TestMarket) -> None:
        worker = Worker(config(embedded_url, market, sweep_interval_s=60.0))
        running = asyncio.create_task(worker.run())
        await wait_ready(worker)
        health = worker.health
        partition, client = health.partition, health.reader
        assert partition is not None
        assert client is not None
        partition.backlog = type(partition.backlog)(lag=MAX_BACKLOG_ENTRIES, pending=1)
        assert health.problems() == [f"backlog: {MAX_BACKLOG_ENTRIES + 1} bars wait, more than 1000"]
        partition.backlog = type(partition.backlog)()
        client.trouble = "ConnectionError: gone"
        assert health.problems() == ["reader: ConnectionError: gone"]
        client.trouble, client.beat = None, time.monotonic() - 2 * health.reader_silence_s
        assert "reader: silent for" in health.problems()[0]
        client.beat = time.monotonic()
        health.lease_until = time.monotonic()
        assert health.problems() == ["lease: not held"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == STOPPED
