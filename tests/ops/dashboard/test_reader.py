"""The reader against a real server: what is there, what comes, what is none of ours, and what goes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from contracts.events import Band, Release
from contracts.model.grid import HORIZONS
from contracts.topics import RELEASES, Topics
from ops.dashboard.cache import Cache
from ops.dashboard.reader import Reader
from tests.behaviour.harness import wait_until
from tests.ops.dashboard import records
from tests.servers import ServerProcess

TOPICS = Topics()


def fill(client: Any, count: int = 300, symbol: str = "AAA") -> list[Band]:
    closes = records.walk(count)
    pipe = client.pipeline(transaction=False)
    for bar in records.bars(symbol, closes):
        pipe.xadd(TOPICS.bars, {"data": bar.to_wire()})
    sent = []
    for horizon in HORIZONS:
        for band in records.bands(symbol, closes, horizon):
            pipe.xadd(TOPICS.bands(horizon), {"data": band.to_wire()})
            sent.append(band)
        for outcome in records.outcomes(symbol, closes, horizon):
            pipe.xadd(TOPICS.outcomes(horizon), {"data": outcome.to_wire()})
    pipe.execute()
    return sent


@pytest.fixture
def reader(embedded_url: str) -> Iterator[Reader]:
    made = Reader(Cache(), lambda: Redis.from_url(embedded_url, socket_timeout=5), poll_s=0.02)
    yield made
    made.stop()


def test_everything_there_is_read_and_what_comes_follows(reader: Reader, embedded_url: str) -> None:
    client: Any = Redis.from_url(embedded_url)
    sent = fill(client)
    reader.start()
    cache = reader.cache
    wait_until(lambda: not reader.state.loading and reader.state.problem is None, "everything is read")
    for horizon in HORIZONS:
        assert len(cache.bands("AAA", horizon)) == 300
        assert len(cache.outcomes("AAA", horizon)) == 300 - horizon
    assert len(cache.bars("AAA")) == 300
    late = records.band("AAA", 42, int(sent[-1].issued_at.timestamp()) + 14_400, 123.0)
    client.xadd(TOPICS.bands(42), {"data": late.to_wire()})
    wait_until(lambda: cache.newest("AAA", 42) == late, "the newest band is shown")
    change = Release(action="promote", at=records.utc(records.START), by="ops", why="", to_bundle="b")
    client.xadd(RELEASES, {"data": change.to_wire()})
    wait_until(lambda: [one for _, one in cache.told("releases")] == [change], "the release is shown")


def test_older_pages_come_behind_the_newest(reader: Reader, embedded_url: str) -> None:
    client: Any = Redis.from_url(embedded_url)
    fill(client, 300)
    for group in reader._plan:
        for progress in group:
            object.__setattr__(progress.source, "page", 37)
    reader._tail(client, reader._plan[0])
    newest = reader.cache.bands("AAA", 42)
    assert len(newest) == 37
    assert newest["at"][-1] == records.START + 300 * 14_400
    while reader._backfill(client):
        pass
    assert len(reader.cache.bands("AAA", 42)) == 300


def test_foreign_and_broken_entries_are_counted_and_passed_over(reader: Reader, embedded_url: str) -> None:
    client: Any = Redis.from_url(embedded_url)
    fill(client, 100)
    for fields in ({"data": b"{"}, {"data": b"\xff\x00"}, {"other": b"1"}, {"data": json.dumps({"a": 1})}):
        client.xadd(TOPICS.bands(42), fields)
        client.xadd(TOPICS.drift, fields)
        client.xadd(TOPICS.swaps, fields)
        client.xadd(TOPICS.bars, fields)
    client.xadd(TOPICS.drift, {"data": records.alert().to_wire()})
    client.set(TOPICS.dead, "a key of another kind")
    reader.start()
    wait_until(lambda: reader.cache.told("drift") == [records.alert()], "the alert behind them is shown")
    wait_until(lambda: not reader.state.loading and reader.state.problem is None, "all is well")
    assert reader.cache.skipped == {TOPICS.bands(42): 4, TOPICS.drift: 4, TOPICS.swaps: 4}
    assert len(reader.cache.bands("AAA", 42)) == 100


def test_a_server_that_was_emptied_is_read_anew(reader: Reader, embedded_url: str) -> None:
    client: Any = Redis.from_url(embedded_url)
    fill(client, 100)
    reader.start()
    wait_until(lambda: len(reader.cache.bands("AAA", 60)) == 100, "the first records are shown")
    client.flushall()
    wait_until(lambda: not reader.cache.symbols(), "nothing is shown any more")
    fill(client, 70, "BBB")
    wait_until(lambda: len(reader.cache.bands("BBB", 60)) == 70, "the new records are shown")
    assert reader.cache.symbols() == ["BBB"]


def test_a_server_that_is_killed_is_told_and_followed_again(crash_server: ServerProcess) -> None:
    client: Any = crash_server.client()
    fill(client, 80)
    reader = Reader(Cache(), crash_server.client, poll_s=0.02)
    reader.start()
    try:
        wait_until(lambda: len(reader.cache.bands("AAA", 60)) == 80, "the records are shown")
        crash_server.kill9()
        wait_until(lambda: reader.state.problem is not None, "the outage is told")
        assert len(reader.cache.bands("AAA", 60)) == 80, "what is known stays"
        crash_server.start()
        wait_until(lambda: reader.state.problem is None, "the server is back")
        late = records.band("AAA", 60, records.START + 200 * 14_400, 99.0)
        crash_server.client().xadd(TOPICS.bands(60), {"data": late.to_wire()})
        wait_until(lambda: reader.cache.newest("AAA", 60) == late, "what comes is shown")
    finally:
        reader.stop()


def test_a_user_who_may_only_read_suffices(embedded_url: str) -> None:
    client: Any = Redis.from_url(embedded_url)
    fill(client, 60)
    allowed = ["xrange", "xrevrange", "xread", "xlen", "xinfo", "hgetall", "get", "type", "time", "ping"]
    client.acl_setuser(
        "watcher",
        enabled=True,
        passwords=["+secret-of-watcher"],
        keys=["*"],
        commands=["-@all"] + [f"+{name}" for name in allowed],
    )
    try:
        url = embedded_url.replace("redis://", "redis://watcher:secret-of-watcher@")
        reader = Reader(Cache(), lambda: Redis.from_url(url), poll_s=0.02)
        reader.start()
        wait_until(lambda: len(reader.cache.bands("AAA", 60)) == 60, "the records are shown")
        wait_until(lambda: reader.state.facts.partitions, "the partition is looked at")
        assert reader.state.problem is None
        assert reader.state.facts.about is None
        reader.stop()
    finally:
        client.acl_deluser("watcher")
