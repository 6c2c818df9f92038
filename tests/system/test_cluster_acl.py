"""A cluster with a user for every role on each of its nodes: all do their work, and nothing is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis

from contracts.client import subscribe
from contracts.connect import connect, nodes_of
from contracts.topics import RELEASES, RETRAIN_STATUS, Topics, partition_of
from offline.registry import sqlite_uri
from ops.dashboard.cache import Cache
from ops.dashboard.reader import Reader
from ops.embedded import EmbeddedServer
from ops.feed.outbox import Outbox, Outgoing
from ops.notify.sources import Positions, sources
from ops.security.check import look
from tests.behaviour.harness import STEADY, ServedWorker, wait_until
from tests.behaviour.test_retrainer import ServedRetrainer
from tests.cluster import OPTIONS
from tests.market import SYMBOLS, TestMarket
from tests.ops.security.servers import SecureServer, secure_cluster
from tests.system.desk import Desk, publish_two

pytestmark = pytest.mark.slow

PARTITIONS = 3
HOMES = {symbol: partition_of(symbol, PARTITIONS) for symbol in SYMBOLS}
BARS = 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SecureServer]:
    with secure_cluster(tmp_path / "server", partitions=PARTITIONS) as started:
        yield started


async def feed(server: SecureServer, market: TestMarket, first: int, last: int) -> None:
    url = server.settings("feed").effective_url
    assert url is not None
    redis = connect(url, cluster=True, protocol=2)
    outbox = Outbox(redis, PARTITIONS, SYMBOLS[0])
    await outbox.recover(0.0)
    candles = {symbol: market.live[symbol].candles()[first:last] for symbol in SYMBOLS}
    bars = [Outgoing(symbol, candle, "live") for symbol, those in candles.items() for candle in those]
    assert await outbox.send(bars) == {}
    await redis.aclose()


async def handed_out(server: SecureServer) -> int:
    """Bands of seven days that a trading system is handed, all in all."""
    url = server.settings("subscriber").effective_url
    assert url is not None
    whole = subscribe(url, None, (42,), start="oldest", partitions=PARTITIONS, cluster=True, follow=False)
    async with whole as bands:
        return len([band async for band in bands])


async def test_every_role_works_on_a_cluster_with_users(
    server: SecureServer, market: TestMarket, rival_market: TestMarket, tmp_path: Path
) -> None:
    assert len(set(HOMES.values())) == len(SYMBOLS), "on different nodes"
    publish_two(tmp_path, market, rival_market)
    desk = Desk(server, tmp_path, sqlite_uri(tmp_path))
    desk.registry["BANDS_STREAM__PARTITIONS"] = str(PARTITIONS)

    def worker(partition: int) -> ServedWorker:
        role = f"worker-{partition}"
        own = {"BANDS_WORKER__PARTITION": str(partition), "BANDS_REGISTRY__POLL_S": "0.3"}
        more = server.environment(role) | desk.registry | own | STEADY
        return ServedWorker(server.url, tmp_path, None, **more)

    with ExitStack() as stack:
        workers = [stack.enter_context(worker(partition)) for partition in range(PARTITIONS)]
        for one in workers:
            one.wait_ready()

        def all_serve(key: str, label: str) -> None:
            wait_until(lambda: all(one.report()[key] == label for one in workers), f"{key} {label}")

        def all_served(count: int) -> None:
            with server.client("subscriber") as reader:
                for partition in HOMES.values():
                    stream = Topics(partition, PARTITIONS).bands(42)
                    wait_until(lambda stream=stream: reader.xlen(stream) == count, f"{count} in {stream}")

        await feed(server, market, 0, BARS)
        all_served(BARS)
        desk.bands("ops", "status")
        desk.bands("ops", "shadow", "2", "--why", "test", "--by", "ada")
        all_serve("challenger", rival_market.bundle.label)
        desk.bands("ops", "promote", "--force", "--why", "test", "--by", "ada")
        all_serve("bundle", rival_market.bundle.label)
        desk.bands("ops", "rollback", "--by", "ada")
        all_serve("bundle", market.bundle.label)
        await feed(server, market, BARS, BARS + 2)
        all_served(BARS + 2)
        assert await handed_out(server) == 2 * (BARS + 2)
        desk.bands("ops", "audit")
        desk.bands("ops", "explain", "AAA", "--horizon", "42")
        shown(server)
        assert notified(server) > 0
        ask_for_a_retraining(server, desk)
        assert server.refused() == []
        desk.registry["BANDS_DEPLOY__WORKERS"] = ",".join(f"http://127.0.0.1:{one.port}" for one in workers)
        said_by_each_node(server, desk)
        desk.bands("ops", "smoke", "--any-age")
    checked(server, desk)


def said_by_each_node(server: SecureServer, desk: Desk) -> None:
    told = json.loads(desk.bands("ops", "check", "--json", fails=1))
    found = {one["name"]: one for one in told["findings"]}
    with server.client("admin") as admin:
        for name in nodes_of(admin):
            assert found[f"server version of {name}"]["status"] == "pass"
            assert "appendonly yes" in found[f"persistence of {name}"]["evidence"]


def shown(server: SecureServer) -> None:
    reader = Reader(Cache(30), lambda: server.client("dashboard"), PARTITIONS, 0.05)
    reader.start()
    try:
        wait_until(lambda: not reader.state.loading and reader.state.problem is None, "all read")
        assert set(reader.cache.symbols()) == set(SYMBOLS)
        wait_until(lambda: reader.state.facts.about is not None, "the server's facts")
        assert (reader.state.facts.about or {})["nodes"] == 3
    finally:
        reader.stop()


def notified(server: SecureServer) -> int:
    with server.client("notify") as redis:
        positions = Positions(redis, sources(PARTITIONS))
        positions.begin(from_beginning=True)
        told = list(positions.waiting(100))
        for one in told:
            positions.done(one)
        assert list(positions.waiting(100)) == []
    return len(told)


def ask_for_a_retraining(server: SecureServer, desk: Desk) -> None:
    url = server.settings("retrainer").effective_url
    assert url is not None
    with ServedRetrainer(url, desk.home / "var", cluster=True, partitions=PARTITIONS, lease_ttl_ms=10_000):
        answer = desk.bands("ops", "retrain", "--reason", "test", "--by", "ada", "--wait")
    assert "registered" in answer
    with server.client("dashboard") as reader:
        assert reader.xlen(RETRAIN_STATUS) > 3
        assert reader.xlen(RELEASES) == 3


def checked(server: SecureServer, desk: Desk) -> None:
    """`bands acl --check` looks at every node: one that was forgotten is an open door."""
    asked = ("acl", "--check", server.url, "--passwords", str(server.passwords))
    assert "the 3 nodes' users are the roles" in desk.bands("admin", *asked)
    with server.client("admin") as admin:
        nodes: dict[str, Any] = nodes_of(admin)
        name, node = max(nodes.items())
        node.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all")
    told = desk.bands("admin", *asked, fails=1)
    assert f"{name}: expected the user default off" in told
    assert told.count("differs") == 1


def test_a_node_that_serves_nothing_and_one_that_hangs_are_told(server: SecureServer, tmp_path: Path) -> None:
    """Whoever reaches a member without users can take slots: it counts before it has any."""
    options = {**OPTIONS, "cluster-enabled": "yes"}
    with EmbeddedServer(tmp_path / "stranger", extra=options) as stranger, server.client("admin") as admin:
        nodes = nodes_of(admin)
        address = f"127.0.0.1:{stranger.port}"
        with Redis.from_url(stranger.url) as open_door:
            name, node = next(iter(nodes.items()))
            (bus,) = node.config_get("cluster-port").values()
            open_door.execute_command("CLUSTER", "MEET", *name.split(":"), bus)

        def known(node: Any) -> bool:
            return address in {str(one) for one in node.execute_command("CLUSTER NODES")}

        wait_until(lambda: all(known(node) for node in nodes.values()), "the stranger is known")
        found = look(admin, PARTITIONS, cluster=True, passwords=server.passwords)
        assert [line.split(": ")[0] for line in found.differences] == [address]
        name, node = next(iter(nodes.items()))
        wrong = [name] + [one for one in nodes if one != name]
        node.execute_command("ACL", "SETUSER", "feed", "+flushall")
        sleeper = psutil.Process(int(nodes[wrong[-1]].info("server")["process_id"]))
        sleeper.suspend()
        try:
            found = look(admin, PARTITIONS, cluster=True, passwords=server.passwords)
        finally:
            sleeper.resume()
    assert any(f"{name}: expected the commands of feed" in line for line in found.differences)
    assert [line.split(": ")[0] for line in found.silent] == [wrong[-1]]
