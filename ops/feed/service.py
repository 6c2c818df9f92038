"""The feed process, from start to a meaningful exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from redis.exceptions import RedisError

from contracts.errors import BadInputError
from contracts.lease import Lease
from contracts.topics import FEED_EPOCH, FEED_LEASE
from ops.feed.config import FeedConfig
from ops.feed.exchange import Exchange, ExchangeError
from ops.feed.feed import Feed
from ops.feed.health import Health, application
from ops.feed.hints import keep_listening
from ops.feed.names import Instrument
from ops.feed.outbox import Outbox

log = logging.getLogger(__name__)

STOPPED = 0
FAILED = 1
FENCED = 75

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
TOLD_EVERY_S = 60.0
CLOSE_S = 3.0


class FencedError(RuntimeError):
    """Another feed holds the lease: this one must stop."""


class FeedService:
    """One feed served by one process. `redis` is an asyncio client, of a server or of a cluster."""

    def __init__(self, config: FeedConfig, redis: Any) -> None:
        self._config = config
        self._redis = redis
        self._lease = Lease(redis, FEED_LEASE, FEED_EPOCH, config.lease_ttl_ms)
        self._exchange = Exchange(config.exchange, base_url=config.base_url, timeout_s=config.timeout_s)
        self.health = Health(config.exchange)
        self._feed: Feed | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Feed until told to stop or unable to go on; return the process's exit code.

        Raises:
            BadInputError: an unknown market.
            OSError: the port for health and metrics is taken.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        http = await self._start_http()
        stop = asyncio.create_task(self._stop.wait())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
            code = self._verdict(work) if work.done() else STOPPED
            log.info("stopping with exit code %d", code)
            return code
        finally:
            await _end(stop, work)
            with contextlib.suppress(RedisError, OSError):
                await self._lease.release()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._exchange.close(), CLOSE_S)
            await http.cleanup()

    def _verdict(self, work: asyncio.Task[None]) -> int:
        error = work.exception()
        match error:
            case BadInputError():
                raise error
            case FencedError():
                log.critical("%s", error)
                return FENCED
        log.critical("the feed failed", exc_info=error)
        return FAILED

    async def _start_http(self) -> web.AppRunner:
        config = self._config
        runner = web.AppRunner(application(self.health), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.http_host, config.http_port).start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(
                f"expected a free port {config.http_port} on {config.http_host} for health and metrics, "
                f"found {error.strerror or error}; choose another with --http-port"
            ) from error
        return runner

    async def _work(self) -> None:
        config = self._config
        instruments: list[Instrument] = []

        async def open_exchange() -> None:
            instruments.extend(await self._exchange.open(config.symbols))

        await self._patiently("exchange", open_exchange)
        names = [one.name for one in instruments]
        if config.leader is not None and config.leader not in names:
            raise BadInputError(
                f"expected feed.leader to be one of the symbols fed ({', '.join(names)}), found "
                f"{config.leader}"
            )
        outbox = Outbox(self._redis, config.partitions, config.leader)
        feed = self._feed = Feed(self._exchange, instruments, outbox, config, self.health)
        await self._patiently("redis", self._take_lease)
        tasks = [asyncio.create_task(self._keep_lease()), asyncio.create_task(self._keep_feeding(feed))]
        if config.websocket:
            markets = [one.market for one in instruments]
            listening = keep_listening(self._exchange, markets, feed, self.health)
            tasks.append(asyncio.create_task(listening))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(*tasks)

    async def _keep_feeding(self, feed: Feed) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                sleep_s = await feed.cycle()
            except ExchangeError as error:
                self._trouble("exchange", error)
                longest = self._config.poll_s
            except (RedisError, OSError) as error:
                self._trouble("redis", error)
                longest = min(LONGEST_PAUSE_S, self._config.poll_s)
            else:
                pause = FIRST_PAUSE_S
                for part in ("exchange", "redis"):
                    if self.health.troubles.pop(part, None):
                        log.info("%s answers again", part)
                await feed.sleep(sleep_s)
                continue
            await feed.sleep(min(pause, longest))
            pause = min(2 * pause, longest)

    async def _take_lease(self) -> None:
        told = -math.inf
        while (owner := await self._lease.acquire()) is not None:
            self.health.troubles["lease"] = f"held by {owner}"
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                log.warning("standing by: the feed's lease is held by %s", owner)
            await asyncio.sleep(self._lease.ttl_ms / 5_000)
        self._lease_renewed()
        log.info("took lease %s", self._lease.token)

    async def _keep_lease(self) -> None:
        """Renew the lease; after an outage that outlived it, take it again.

        Raises:
            FencedError: another feed holds it.
        """
        while True:
            await asyncio.sleep(self._lease.ttl_ms / 3_000)
            try:
                owner = await self._lease.renew()
                if owner == "":
                    log.warning("lease %s ran out", self._lease.token)
                    owner = await self._lease.acquire()
            except (RedisError, OSError) as error:
                self._trouble("lease", error)
                continue
            if owner is not None:
                raise FencedError(f"expected to hold the feed's lease, found it held by {owner}; stopping")
            self._lease_renewed()

    def _lease_renewed(self) -> None:
        self.health.troubles.pop("lease", None)
        self.health.token = self._lease.token
        self.health.lease_until = self._lease.until

    async def _patiently(self, part: str, attempt: Callable[[], Awaitable[None]]) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                await attempt()
            except (ExchangeError, RedisError, OSError) as error:
                self._trouble(part, error)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            else:
                self.health.troubles.pop(part, None)
                return

    def _trouble(self, part: str, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        if self.health.troubles.get(part) != told:
            log.warning("%s: %s", part, told)
        self.health.troubles[part] = told


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks until all have ended; once is not always enough before Python 3.12."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=2.0)


async def serve(config: FeedConfig, redis: Any) -> int:
    """Run one feed until it stops; return its exit code.

    0 stopped as asked, 1 failed, 75 another feed holds the lease. Supervisors restart it whatever the code.

    Raises:
        BadInputError: an unknown exchange or market.
        OSError: the port for health and metrics is taken.
    """
    return await FeedService(config, redis).run()
