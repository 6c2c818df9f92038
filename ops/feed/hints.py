"""The exchange's websocket as a hint that a candle has closed. REST stays the truth."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ops.feed.exchange import TROUBLES, Exchange, is_unsupported
from ops.feed.feed import Feed
from ops.feed.health import Health
from ops.feed.metrics import WEBSOCKET

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


async def keep_listening(exchange: Exchange, markets: Sequence[str], feed: Feed, health: Health) -> None:
    """Wake the feed whenever a candle begins, for then the one before has closed. Never returns."""
    if not exchange.has_websocket:
        _fall_back(health, f"{exchange.name} offers none for candles")
        await asyncio.Event().wait()
    await asyncio.gather(
        *(_listen(exchange, group, feed, health) for group in exchange.watch_groups(markets))
    )


async def _listen(exchange: Exchange, markets: list[str], feed: Feed, health: Health) -> None:
    newest: dict[str, int] = {}
    pause = FIRST_PAUSE_S
    while True:
        try:
            told = await exchange.watch(markets)
        except TROUBLES as error:
            _fall_back(health, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            if is_unsupported(error):
                await asyncio.Event().wait()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            continue
        pause = FIRST_PAUSE_S
        if health.notes.pop("websocket", None) or not newest:
            log.info("%s tells of closes by websocket", exchange.name)
        WEBSOCKET.set(1)
        for market, open_time in told.items():
            if open_time > newest.get(market, 0):
                newest[market] = open_time
                feed.wake.set()


def _fall_back(health: Health, why: str) -> None:
    WEBSOCKET.set(0)
    told = f"{why}; polling alone"
    if health.notes.get("websocket") != told:
        log.warning("no websocket: %s", told)
    health.notes["websocket"] = told
