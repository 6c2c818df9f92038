"""Candles from a time on, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS
from ops.feed.exchange import PAGE


class Candles(Protocol):
    """Where candles come from."""

    async def candles(self, market: str, since: int, limit: int = ...) -> list[Candle]:
        """At most `limit` candles that open at or after `since`, epoch seconds."""
        ...


async def pages(source: Candles, market: str, since: int, now: float) -> AsyncIterator[list[Candle]]:
    """Every candle that opens from `since` (epoch seconds, on the grid) and closes by `now`, in order.

    An empty page is stepped over: before a market's first trade some exchanges have nothing to say.
    Candles in progress are left out; what can not be a bar is handed on as it came.

    Raises:
        ExchangeError: the exchange does not answer.
    """
    while since + BAR_SECONDS <= now:
        # One more than there can be, for the candle in progress.
        wanted = min(PAGE, int(now - since) // BAR_SECONDS + 1)
        found = await source.candles(market, since, wanted)
        closed = [candle for candle in found if candle.open_time + BAR_SECONDS <= now]
        if closed:
            yield closed
        newest = max((candle.open_time for candle in found), default=since + (wanted - 1) * BAR_SECONDS)
        since = max(newest, since) // BAR_SECONDS * BAR_SECONDS + BAR_SECONDS
