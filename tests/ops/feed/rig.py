"""A feed, an exchange whose clock is moved by hand, and the streams: step by step, without a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from contracts.connect import connect
from contracts.events import Bar
from contracts.model.candle import Candle, History
from contracts.model.grid import BAR_SECONDS
from contracts.topics import Topics
from offline.market import MarketSpec, simulate
from ops.feed.config import FeedConfig
from ops.feed.exchange import Exchange, ExchangeError
from ops.feed.feed import Feed
from ops.feed.health import Health
from ops.feed.outbox import Outbox
from ops.mock_exchange import Faults, FaultSpec, Market, MarketClock, MockExchange

START = 1_704_067_200
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PAIRS = ("BTC/USDT", "ETH/USDT")
BEFORE = 30
"""Bars of history before the feed's first look, all of them within its back-fill."""
PATIENCE_S = 60.0


def bar_open(number: int) -> int:
    return START + number * BAR_SECONDS


def at(number: float) -> float:
    """The moment `number` bars have closed, and the settling time more."""
    return START + number * BAR_SECONDS + 5.0


def histories(n_bars: int = 400, symbols: Sequence[str] = SYMBOLS) -> list[History]:
    return list(simulate(MarketSpec(), symbols, n_bars, START, seed=5).histories.values())


class Rig:
    """Everything around one `Feed`, which is made anew by `restart`."""

    def __init__(
        self,
        url: str,
        *faults: str,
        dialect: str = "binance",
        seed: int = 1,
        redis: Any = None,
        **settings: Any,
    ) -> None:
        self.clock = MarketClock(at(BEFORE), speed=0)
        self.market = Market(histories(), self.clock, Faults(map(FaultSpec.parse, faults), seed))
        self.server = MockExchange(self.market)
        self.client = Redis.from_url(url)
        self.redis = redis if redis is not None else connect(url, protocol=2)
        self.dialect = dialect
        defaults = {"poll_s": 0.02, "timeout_s": 0.5, "backfill_days": 60.0, "websocket": False}
        self.config = FeedConfig(dialect, PAIRS, **{**defaults, **settings})

    async def __aenter__(self) -> Self:
        self.server.__enter__()
        await self.restart()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.exchange.close()
        await self.redis.aclose()
        self.client.close()
        self.server.__exit__(None, None, None)

    async def restart(self) -> None:
        """A new feed that knows nothing but what the server kept."""
        if hasattr(self, "exchange"):
            await self.exchange.close()
        config = self.config
        self.exchange = Exchange(self.dialect, base_url=self.server.url, timeout_s=config.timeout_s)
        while True:
            try:
                found = await self.exchange.open(config.symbols)
                break
            except ExchangeError:
                await asyncio.sleep(0.01)
        outbox = Outbox(self.redis, config.partitions, config.leader)
        self.health = Health(self.dialect, lease_until=time.monotonic() + 3_600)
        self.feed = Feed(self.exchange, found, outbox, config, self.health)

    async def look(self, goal: int | Callable[[], bool] = 1) -> None:
        """So many looks that succeed, or as many as it takes; faults are waited out as the service does."""
        looks, until = (goal, None) if isinstance(goal, int) else (0, goal)
        deadline = time.monotonic() + PATIENCE_S
        while looks > 0 if until is None else not until():
            assert time.monotonic() < deadline, (
                "expected the feed to come to an end with it, found that it did not"
            )
            try:
                await asyncio.sleep(min(await self.feed.cycle(), 0.03))
                looks -= 1
            except (ExchangeError, RedisError):
                await asyncio.sleep(0.01)

    async def close_bar(self, number: int) -> None:
        """Move the clock to where bar `number` has just closed, and look."""
        self.clock.set(at(number + 1))
        await self.look()

    def bars(self, symbol: str | None = None, stream: str = Topics().bars) -> list[Bar]:
        """What has arrived, in order."""
        arrived = [Bar.from_wire(fields[b"data"]) for _, fields in self.client.xrange(stream)]
        return [bar for bar in arrived if symbol in (None, bar.symbol)]

    def candles(self, symbol: str) -> list[Candle]:
        return [bar.candle for bar in self.bars(symbol)]

    def truth(self, symbol: str) -> list[Candle]:
        return self.market.truth(symbol, self.clock.now())
