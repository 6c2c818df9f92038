"""How the outside reads bands and writes bars: redis-cli, contracts alone, FastStream."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from faststream.redis import RedisBroker, StreamSub

from contracts.events import Band, Bar
from contracts.model.grid import HORIZONS
from tests.behaviour.harness import PATIENCE_S, TOPICS, Feed, ServedWorker, wait_in_effect, wait_until
from tests.market import TestMarket
from tests.servers import ServerProcess

N_BARS = 20


@dataclass
class Served:
    """A server with a worker that has answered some bars."""

    url: str
    client: Any
    bars: list[Bar]
    unsent: Iterator[Bar]

    def expected(self, horizon: int) -> list[tuple[str, int, Any]]:
        return [(bar.symbol, horizon, bar.open_time) for bar in self.bars]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    server = ServerProcess("valkey", folder / "server")
    server.start()
    bars = market.bars(N_BARS)
    feed = Feed(server.url, bars[:N_BARS])
    with ServedWorker(server.url, folder, market.folder) as worker:
        worker.wait_ready()
        feed.push(N_BARS)
        client: Any = server.client()
        wait_in_effect(client, feed.last)
        yield Served(server.url, client, bars[:N_BARS], iter(bars[N_BARS:]))
        assert worker.stop() == 0
    server.stop()


def _key(band: Band) -> tuple[str, int, Any]:
    return band.symbol, band.horizon_bars, band.open_time


@pytest.mark.parametrize("horizon", HORIZONS)
def test_plain_redis_cli_reads_them(served: Served, horizon: int) -> None:
    cli = shutil.which("redis-cli")
    if cli is None:
        pytest.skip("redis-cli is not on PATH")
    command = [cli, "-u", served.url, "XREAD", "STREAMS", TOPICS.bands(horizon), "0"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    name, *lines = printed.splitlines()
    assert name == TOPICS.bands(horizon)
    ids, names, values = lines[0::3], lines[1::3], lines[2::3]
    assert set(names) == {"data"}
    records = [Band.from_wire(value) for value in values[:N_BARS]]
    assert [_key(record) for record in records] == served.expected(horizon)
    assert all(record.is_band for record in records)
    assert len(set(ids)) == len(ids)


def test_contracts_alone_suffice(served: Served) -> None:
    """A trading system's own process: redis and contracts, and nothing else of the house."""
    script = f"""
import sys
from redis import Redis
from contracts.events import Band
for _, fields in Redis.from_url({served.url!r}).xrange("bands.T42", count={N_BARS}):
    band = Band.from_wire(fields[b"data"])
    print(band.symbol, band.open_time.isoformat(), band.prices.q05 <= band.ref_price * 10)
print(sorted(m for m in ("worker", "offline", "ops", "faststream", "lightgbm") if m in sys.modules))
"""
    root = Path(__file__).parents[2]
    run = [sys.executable, "-c", script]
    printed = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60, cwd=root).stdout
    *rows, others = printed.splitlines()
    assert rows == [f"{bar.symbol} {bar.open_time.isoformat()} True" for bar in served.bars]
    assert others == "[]"


def test_the_newest_record_can_be_polled(served: Served) -> None:
    for symbol in ("AAA", "BBB"):
        newest = served.client.hgetall(TOPICS.latest(symbol))
        assert newest.keys() == {f"T{horizon}".encode() for horizon in HORIZONS}
        for horizon in HORIZONS:
            assert Band.from_wire(newest[f"T{horizon}".encode()]).symbol == symbol


async def test_a_faststream_subscriber_gets_typed_bands(served: Served) -> None:
    broker = RedisBroker(served.url)
    received: list[Band] = []
    enough = asyncio.Event()

    @broker.subscriber(stream=StreamSub("bands.T42", last_id="0"))
    async def on_band(band: Band) -> None:
        received.append(band)
        if len(received) >= N_BARS:
            enough.set()

    async with broker:
        await broker.start()
        await asyncio.wait_for(enough.wait(), PATIENCE_S)
    assert [_key(band) for band in received[:N_BARS]] == served.expected(42)


async def test_bars_of_a_faststream_publisher_are_accepted(served: Served) -> None:
    async with RedisBroker(served.url) as broker:
        for _ in range(3):
            bar = next(served.unsent)
            await broker.publish(bar, stream="bars.4h")
            await asyncio.to_thread(_assert_answered, served, bar)


def test_flat_fields_are_accepted(served: Served) -> None:
    for _ in range(3):
        bar = next(served.unsent)
        flat = {name: str(value) for name, value in json.loads(bar.to_wire()).items() if name != "schema"}
        served.client.xadd("bars.4h", flat)
        _assert_answered(served, bar)


def _assert_answered(served: Served, bar: Bar) -> None:
    """One band for it on every stream, and no dead letter."""

    def newest(horizon: int) -> Band:
        ((_, fields),) = served.client.xrevrange(TOPICS.bands(horizon), count=1)
        return Band.from_wire(fields[b"data"])

    def answers(horizon: int, wanted: tuple[str, int, Any]) -> bool:
        return _key(newest(horizon)) == wanted

    for horizon in HORIZONS:
        wanted = (bar.symbol, horizon, bar.open_time)
        wait_until(partial(answers, horizon, wanted), f"a record for {wanted}")
        assert newest(horizon).is_band
        assert newest(horizon).ref_price == bar.close
    assert served.client.xlen(TOPICS.dead) == 0
