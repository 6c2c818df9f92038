"""The feed as a process: health, exit codes, one owner, hints by websocket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.connect import connect
from contracts.events import Bar
from contracts.lease import Lease
from contracts.topics import FEED_EPOCH, FEED_LEASE, Topics
from ops.embedded import free_port
from ops.mock_exchange import Market, MarketClock, MockExchange
from tests.behaviour.harness import wait_until
from tests.ops.feed.rig import BEFORE, PAIRS, at, histories


class FeedProcess:
    """`bands feed` on an exchange of one's own."""

    def __init__(
        self,
        url: str,
        base_url: str,
        folder: Path,
        *words: str,
        dialect: str = "binance",
        symbols: Sequence[str] = PAIRS,
    ) -> None:
        self.port = free_port()
        self.log = folder / f"feed-{self.port}.log"
        command = [sys.executable, "-m", "ops.cli", "feed", "--exchange", dialect, "--base-url", base_url]
        command += ["--symbols", *symbols, "--http-port", str(self.port), *words]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        env = {
            **inherited,
            "BANDS_REDIS__URL": url,
            "BANDS_FEED__POLL_S": "0.1",
            "BANDS_FEED__LEASE_TTL_MS": "6000",
            "BANDS_FEED__BACKFILL_DAYS": "60",
            "BANDS_WORKSPACE": str(folder / "var"),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=folder)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.get("/ready")[0] == 200

    def problems(self) -> str:
        status, body = self.get("/ready")
        return "; ".join(json.loads(body)["problems"]) if status else ""

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    """Standing still just after a close."""
    with MockExchange(Market(histories(), MarketClock(at(BEFORE), speed=0))) as running:
        yield running


@pytest.fixture
def start(embedded_url: str, exchange: MockExchange, tmp_path: Path) -> Iterator[Any]:
    started: list[FeedProcess] = []

    def begin(*words: str, **options: Any) -> FeedProcess:
        started.append(FeedProcess(embedded_url, exchange.url, tmp_path, *words, **options))
        return started[-1]

    yield begin
    for feed in started:
        feed.stop()


def arrived(client: Redis) -> list[Bar]:
    return [Bar.from_wire(fields[b"data"]) for _, fields in client.xrange(Topics().bars)]


def test_it_tells_its_health_and_its_figures(start: Any, embedded_url: str, exchange: MockExchange) -> None:
    feed = start()
    wait_until(feed.ready, "the feed is live")
    assert feed.get("/health")[0] == 200
    told = json.loads(feed.get("/ready")[1])
    assert told["clock"] == "exchange"
    assert told["newest_bar_closed_at"] == dict.fromkeys(("BTCUSDT", "ETHUSDT"), "2024-01-06T00:00:00Z")
    figures = feed.get("/metrics")[1]
    assert 'bands_feed_bars_sent_total{origin="live",symbol="BTCUSDT"} 1.0' in figures
    assert f'bands_feed_bars_sent_total{{origin="backfill",symbol="ETHUSDT"}} {BEFORE - 1}.0' in figures
    age = next(line for line in figures.splitlines() if line.startswith("bands_feed_newest_bar_age"))
    assert 0 < float(age.split()[-1]) < 60
    assert feed.stop() == 0
    client = Redis.from_url(embedded_url)
    assert client.get(FEED_LEASE) is None
    assert len(arrived(client)) == 2 * BEFORE


def test_a_second_feed_stands_by_and_takes_over(
    start: Any, embedded_url: str, exchange: MockExchange
) -> None:
    first = start()
    wait_until(first.ready, "the first feed is live")
    second = start()
    wait_until(lambda: "lease: held by" in second.problems(), "the second feed stands by")
    first.process.kill()
    exchange.market.clock.set(at(BEFORE + 3))
    client, wanted = Redis.from_url(embedded_url), 2 * (BEFORE + 3)
    wait_until(lambda: second.ready() and len(arrived(client)) >= wanted, "the second feed has taken over")
    bars = arrived(client)
    assert len(bars) == len({(bar.symbol, bar.open_time) for bar in bars}) == wanted


def test_an_unknown_market_ends_it_with_the_nearest_named(start: Any) -> None:
    feed = start("--symbols", "BTC/USTD")
    assert feed.process.wait(60) == 3
    told = " ".join(feed.log.read_text().split())
    assert "found 'BTC/USTD'" in told
    assert "BTC/USDT" in told


def test_a_hint_by_websocket_beats_the_poll(start: Any, embedded_url: str, exchange: MockExchange) -> None:
    feed = start("--poll-s", "600")
    wait_until(lambda: "bands_feed_websocket 1.0" in feed.get("/metrics")[1], "the websocket is up")
    wait_until(feed.ready, "the feed is live")
    client = Redis.from_url(embedded_url)
    exchange.market.clock.set(at(BEFORE + 1))
    wait_until(lambda: len(arrived(client)) == 2 * (BEFORE + 1), "the new bars arrive")


def test_without_a_websocket_it_polls_and_says_so(
    start: Any, embedded_url: str, exchange: MockExchange
) -> None:
    feed = start(dialect="bitstamp")
    wait_until(feed.ready, "the feed is live")
    assert "polling alone" in json.loads(feed.get("/ready")[1])["notes"]["websocket"]
    exchange.market.clock.set(at(BEFORE + 1))
    client = Redis.from_url(embedded_url)
    wait_until(lambda: len(arrived(client)) == 2 * (BEFORE + 1), "the new bars arrive")


async def test_a_lease_has_one_holder_and_a_growing_epoch(redis_url: str) -> None:
    redis = connect(redis_url, protocol=2)
    one, two = Lease(redis, FEED_LEASE, FEED_EPOCH, 60_000), Lease(redis, FEED_LEASE, FEED_EPOCH, 60_000)
    assert await one.acquire() is None
    assert await one.acquire() is None
    assert await two.acquire() == one.token
    assert await one.renew() is None
    await two.release()
    assert await one.renew() is None
    await one.release()
    assert await one.renew() == ""
    assert await two.acquire() is None
    assert two.epoch > one.epoch
    assert await one.renew() == two.token
    await redis.aclose()
