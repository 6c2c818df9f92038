"""The feed among the others: killed, on a cluster, and in front of a worker."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.connect import connect
from contracts.events import Band, Bar
from contracts.model.grid import BAR_SECONDS
from contracts.topics import Topics, partition_of
from offline.ingest import write_bars
from ops.mock_exchange import Faults, FaultSpec, Market, MarketClock, MockExchange
from tests.behaviour.harness import STEADY, ServedWorker, wait_until
from tests.cluster import ClusterServers
from tests.market import TestMarket
from tests.ops.feed.rig import BEFORE, SYMBOLS, Rig, at, bar_open, histories
from tests.ops.feed.test_service import FeedProcess, arrived
from tests.servers import ServerProcess

pytestmark = pytest.mark.slow


def test_killed_at_any_moment_it_loses_nothing_and_doubles_no_bar_with_other_content(
    crash_server: ServerProcess, tmp_path: Path
) -> None:
    """With the clock running, candles revised soon after their close, and the server killed as well."""
    clock = MarketClock(at(BEFORE), speed=4 * BAR_SECONDS, end=at(200))
    specs = map(FaultSpec.parse, ("revised=0.3:7000", "http500=0.05", "missing=0.02"))
    draw = random.Random(4)
    with MockExchange(Market(histories(), clock, Faults(specs, 6))) as exchange:
        for round_number in range(5):
            feed = FeedProcess(crash_server.url, exchange.url, tmp_path)
            wait_until(feed.ready, "the feed is live")
            wait_until(_after(clock, draw.uniform(1, 12)), "some bars have closed")
            if round_number == 2:
                crash_server.kill9()
                crash_server.start()
                wait_until(feed.ready, "the feed is live again")
            feed.process.kill()
        feed = FeedProcess(crash_server.url, exchange.url, tmp_path)
        client = crash_server.client()
        last = {symbol: exchange.market.truth(symbol, at(200))[-1].open_time for symbol in SYMBOLS}
        wait_until(
            lambda: all(_last(client, symbol) == last[symbol] for symbol in SYMBOLS),
            "every bar has come",
            120,
        )
        wait_until(feed.ready, "the last feed is live")
        assert feed.stop() == 0
        for symbol in SYMBOLS:
            bars = [bar for bar in arrived(client) if bar.symbol == symbol]
            contents: dict[int, set[Any]] = {}
            for bar in bars:
                contents.setdefault(bar.candle.open_time, set()).add(bar.candle)
            truth = exchange.market.truth(symbol, at(200))
            assert sorted(contents) == [candle.open_time for candle in truth]
            assert all(len(versions) == 1 for versions in contents.values())
            # A kill may send again what was being sent: never more than that.
            assert len(bars) - len(contents) <= 10 * BEFORE


async def test_on_a_cluster_every_partition_gets_its_bars(tmp_path: Path) -> None:
    with ClusterServers(tmp_path) as servers:
        redis = connect(servers.url, cluster=True, protocol=2)
        async with Rig(servers.url, redis=redis, partitions=4, leader="BTCUSDT") as rig:
            await rig.look()
            await rig.close_bar(BEFORE)
            await rig.restart()
            await rig.close_bar(BEFORE + 1)
            client = servers.client()
            for symbol in SYMBOLS:
                stream = Topics(partition_of(symbol, 4), 4).bars
                sent = [Bar.from_wire(fields[b"data"]) for _, fields in client.xrange(stream)]
                own = [bar.candle for bar in sent if bar.symbol == symbol and bar.role is None]
                assert own == rig.truth(symbol)
                assert own[-1].open_time == bar_open(BEFORE + 1)
            client.close()


def test_from_exchange_to_bands(market: TestMarket, redis_url: str, tmp_path: Path) -> None:
    """Live bars of a fast exchange are answered with bands, and nothing is refused."""
    for symbol, history in market.live.items():
        write_bars(history, tmp_path / f"{symbol}_4h.parquet")
    first = int(market.live["AAA"].open_time[0])
    clock = MarketClock(first + 100 * BAR_SECONDS, speed=0.5 * BAR_SECONDS)
    with (
        MockExchange(Market(list(market.live.values()), clock)) as exchange,
        ServedWorker(redis_url, tmp_path, market.folder, **STEADY) as worker,
    ):
        worker.wait_ready()
        feed = FeedProcess(
            redis_url, exchange.url, tmp_path, "--leader", "AAA", symbols=("AAA=A/AA", "BBB=B/BB")
        )
        try:
            client = Redis.from_url(redis_url)
            stream = Topics().bands(42)
            wait_until(lambda: _bands(client, stream) >= 10, "ten bands of live bars")
            assert client.xlen(Topics().dead) == 0
        finally:
            assert feed.stop() == 0


def _after(clock: MarketClock, bars: float) -> Any:
    goal = min(clock.now() + bars * BAR_SECONDS, at(199))
    return lambda: clock.now() >= goal


def _last(client: Redis, symbol: str) -> int:
    return max((bar.candle.open_time for bar in arrived(client) if bar.symbol == symbol), default=0)


def _bands(client: Redis, stream: str) -> int:
    return sum(Band.from_wire(fields[b"data"]).is_band for _, fields in client.xrange(stream))
