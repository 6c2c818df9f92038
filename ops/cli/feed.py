"""Bring an exchange's closed 4-hour bars to the workers, live, and what was missed before."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import ExitStack
from typing import Annotated

import typer
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from contracts.connect import connect
from ops.cli.options import RedisUrl
from ops.console import told_errors
from ops.embedded import EmbeddedServer
from ops.feed.config import FeedConfig
from ops.logs import set_up
from ops.settings import Settings

EXAMPLE = "Example: bands feed --exchange binance --symbols BTC/USDT ETH/USDT"

RETRIES = 3
"""Every command may be repeated: the worker takes a bar once, however often it is sent."""


def run(
    exchange: Annotated[
        str | None, typer.Option(help="By its name in ccxt; default: the setting feed.exchange.")
    ] = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbols", help="Its markets, e.g. `BTC/USDT ETH/USDT`, or `NAME=BTC/USDT`."),
    ] = None,
    leader: Annotated[
        str | None, typer.Option(help="The symbol whose bars every partition gets as context.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Ask a proxy or `bands mock-exchange` here, not the exchange itself.")
    ] = None,
    poll_s: Annotated[float | None, typer.Option(help="Longest sleep between two looks.")] = None,
    backfill_days: Annotated[
        float | None, typer.Option(help="How far back the first start of a symbol goes.")
    ] = None,
    websocket: Annotated[
        bool | None, typer.Option("--websocket/--no-websocket", help="Take hints by websocket.")
    ] = None,
    redis_url: RedisUrl = None,
    http_port: Annotated[int | None, typer.Option(help="Port of /health, /ready and /metrics.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every step.")] = False,
) -> None:
    """Exit codes: 0 stopped, 1 failed, 3 unknown market, 75 another owner; restart always."""
    with told_errors(), ExitStack() as stack:
        asked = {
            "exchange": exchange,
            "symbols": None if symbols is None else ",".join(symbols),
            "leader": leader,
            "base_url": base_url,
            "poll_s": poll_s,
            "backfill_days": backfill_days,
            "websocket": websocket,
            "http_port": http_port,
        }
        given: dict[str, object] = {
            "feed": {name: value for name, value in asked.items() if value is not None}
        }
        if redis_url is not None:
            given["redis"] = {"url": redis_url}
        settings = Settings(**given)
        config = feed_config(settings)
        set_up(settings, verbose=verbose, fields={"service": "feed"})
        url = settings.redis.effective_url
        if url is None:
            url = stack.enter_context(EmbeddedServer(settings.server_path)).url
            logging.getLogger("bands").info("embedded server at %s", url)
        code = asyncio.run(_serve(config, settings, url))
    sys.exit(code)


async def _serve(config: FeedConfig, settings: Settings, url: str) -> int:
    from ops.feed.service import serve  # ccxt takes a second and 60 MB: not for --help

    redis = connect(
        url,
        cluster=settings.redis.cluster,
        socket_timeout=settings.redis.socket_timeout_s,
        protocol=2,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), RETRIES),
    )
    try:
        return await serve(config, redis)
    finally:
        await redis.aclose()


def feed_config(settings: Settings) -> FeedConfig:
    """What the settings tell a feed process.

    Raises:
        BadInputError: no symbol is named.
    """
    return FeedConfig(**settings.feed.model_dump(), partitions=settings.stream.partitions)
