"""Two partitions on a real cluster, 200 symbols: a killed worker and a killed node lose nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisClusterException, RedisError

from contracts.events import Bar
from contracts.topics import Topics, partition_of
from tests.behaviour.harness import (
    PATIENCE_S,
    ServedWorker,
    Truth,
    assert_undisturbed,
    cursor,
    wait_in_effect,
    wait_until,
)
from tests.cluster import ClusterServers
from tests.market import TestMarket, train_market

pytestmark = pytest.mark.slow

PARTITIONS = 2
TOPICS = tuple(Topics(n, PARTITIONS) for n in range(PARTITIONS))
SYMBOLS = tuple(f"S{n:03}" for n in range(200))
LEADER = SYMBOLS[0]
TRAINING_BARS, LIVE_BARS = 1_200, 30


@pytest.fixture(scope="module")
def wide_market(tmp_path_factory: pytest.TempPathFactory) -> TestMarket:
    """Two hundred simulated symbols and one bundle for all of them."""
    folder = tmp_path_factory.mktemp("wide")
    return train_market(
        folder,
        leader=LEADER,
        training_bars=TRAINING_BARS,
        total_bars=TRAINING_BARS + LIVE_BARS,
        symbols=SYMBOLS,
    )


def bars_of(market: TestMarket, partition: int) -> list[Bar]:
    """The bars of one partition in the order of their close, the leader's copies among them."""
    bars = []
    for bar in market.bars(LIVE_BARS, SYMBOLS):
        if partition_of(bar.symbol, PARTITIONS) == partition:
            bars.append(bar)
        elif bar.symbol == LEADER:
            bars.append(bar.model_copy(update={"role": "context"}))
    return bars


class ClusterFeed(threading.Thread):
    """Sends one partition's bars in order, each again until the cluster has acknowledged it."""

    def __init__(self, url_of: ClusterServers, topics: Topics, bars: Sequence[Bar]) -> None:
        super().__init__(daemon=True)
        self._client: Any = url_of.client()
        self._topics = topics
        self._bars = bars
        self.sent = 0
        self.last = ""

    def run(self) -> None:
        """Send everything."""
        for bar in self._bars:
            while True:
                try:
                    self.last = self._client.xadd(self._topics.bars, {"data": bar.to_wire()}).decode()
                except (RedisError, RedisClusterException, OSError):
                    time.sleep(0.05)
                else:
                    break
            self.sent += 1
            time.sleep(0.001)


def test_a_killed_worker_and_a_killed_node_lose_nothing(wide_market: TestMarket, tmp_path: Path) -> None:
    with ClusterServers(tmp_path / "cluster") as cluster:
        assert cluster.node_of(TOPICS[0].bars) is not cluster.node_of(TOPICS[1].bars)
        assert {partition_of(symbol, PARTITIONS) for symbol in SYMBOLS} == {0, 1}
        feeds = [ClusterFeed(cluster, one, bars_of(wide_market, one.partition)) for one in TOPICS]

        def worker(name: str, partition: int) -> ServedWorker:
            return ServedWorker(
                cluster.url,
                tmp_path / name,
                wide_market.folder,
                BANDS_REDIS__CLUSTER="true",
                BANDS_STREAM__PARTITIONS=str(PARTITIONS),
                BANDS_STREAM__BATCH_MAX="20",
                BANDS_WORKER__PARTITION=str(partition),
                BANDS_WORKER__LEASE_TTL_MS="8000",
            )

        workers = [worker("first", 0), worker("second", 1)]
        spare = worker("spare", 1)
        everyone = [*workers, spare]
        try:
            for one in workers:
                one.start()
                one.wait_ready()
            spare.start()
            spare.wait_problem("lease: held by")
            client: Any = cluster.client()
            for feed in feeds:
                feed.start()
            wait_until(lambda: feeds[1].sent >= len(feeds[1]._bars) // 3, "a third of the bars sent")
            killed_at = cursor(client, TOPICS[1])
            workers[1].kill()
            spare.wait_ready()
            wait_until(lambda: cursor(client, TOPICS[1]) > killed_at, "the spare goes on")

            node = cluster.node_of(TOPICS[0].bars)
            wait_until(lambda: feeds[0].sent >= len(feeds[0]._bars) // 2, "half of the bars sent")
            node.kill()
            workers[0].wait_problem("reader: ")
            assert workers[0].get("/health")[0] == 200
            node.restart()
            workers[0].wait_ready()

            for feed in feeds:
                feed.join(PATIENCE_S * 3)
                assert feed.sent == len(feed._bars)
            for feed, topics in zip(feeds, TOPICS, strict=True):
                wait_in_effect(client, feed.last, topics)
            assert workers[0].stop() == spare.stop() == 0
        finally:
            for one in everyone:
                one.kill()
        for topics in TOPICS:
            truth = Truth.of(wide_market.bundle, bars_of(wide_market, topics.partition), topics)
            assert_undisturbed(client, truth, topics)
