"""The retrainer process: FastStream wiring around the run loop, from start to a meaningful exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import uvicorn
from faststream.asgi import AsgiFastStream
from faststream.middlewares import AckPolicy
from faststream.redis import StreamSub
from faststream.redis.prometheus import RedisPrometheusMiddleware
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from contracts.connect import connect
from contracts.lease import Lease
from contracts.topics import RETRAIN_CONSUMER, RETRAIN_EPOCH, RETRAIN_GROUP, RETRAIN_LEASE
from offline.retrain.config import RetrainerConfig
from offline.retrain.desk import Desk
from offline.retrain.fenced import FencedError
from offline.retrain.health import Health, health_routes
from offline.retrain.inbox import Inbox
from offline.retrain.job import Job
from offline.retrain.metrics import REGISTRY, begin
from offline.retrain.patience import end_tasks, patiently
from offline.retrain.reader import PatientBroker, entry_ids, keep_raw
from offline.retrain.runs import Champion, Runs
from offline.retrain.schedule import keep_schedule
from offline.retrain.success import last_success

log = logging.getLogger(__name__)
_FASTSTREAM_LOG = logging.getLogger("faststream")

STOPPED = 0
FAILED = 1
READER_DIED = 70
FENCED = 75

SCRIPT_RETRIES = 3
"""The scripts are idempotent: a second attempt after a lost reply changes nothing."""
GRACE_S = 8.0
"""How long a stop waits for the run's next report; supervisors kill after ten seconds."""
TOLD_EVERY_S = 60.0
STOOD_STILL_S = 5.0
"""After a pause of the whole process its readers are asked before they are judged."""
READ_MAX = 10


class _App(AsgiFastStream):
    """FastStream's `exit` does nothing under an outer server; here it ends the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fatal = asyncio.Event()

    def exit(self) -> None:
        self.fatal.set()


class _Http(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals to the retrainer: uvicorn would raise them again and spoil the exit code."""
        return contextlib.nullcontext()


class Retrainer:
    """One process that serves retrain requests while it holds the lock, and waits for it otherwise."""

    def __init__(self, config: RetrainerConfig, job: Job, champion: Champion) -> None:
        self._config = config
        begin(time.time())
        streams = [one.retrain for one in config.topics]
        silence_s = config.block_ms / 1_000 + 2 * config.socket_timeout_s + 5.0
        self.health = Health(streams, reader_silence_s=silence_s)
        self._redis: Any = connect(
            config.redis_url,
            cluster=config.cluster,
            socket_timeout=config.socket_timeout_s,
            protocol=2,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), SCRIPT_RETRIES),
        )
        self._lock = Lease(self._redis, RETRAIN_LEASE, RETRAIN_EPOCH, config.lease_ttl_ms)
        self._desk = Desk(self._redis, self._lock, config.status_maxlen, cluster=config.cluster)
        self._inbox = Inbox(self._redis, config.topics)
        self._runs = Runs(config, self._redis, self._desk, self._inbox, self.health, job, champion)
        self._broker = PatientBroker(
            config.redis_url,
            cluster=config.cluster,
            socket_timeout=config.socket_timeout_s,
            logger=_FASTSTREAM_LOG,
            middlewares=[RedisPrometheusMiddleware(registry=REGISTRY)],
        )
        self._app = _App(
            self._broker,
            asgi_routes=health_routes(self.health),
        )
        self._subscribers = [self._subscribe(stream) for stream in streams]
        self._stop = asyncio.Event()

    def _subscribe(self, stream: str) -> Any:
        subscriber: Any = self._broker.subscriber(
            stream=StreamSub(
                stream,
                group=RETRAIN_GROUP,
                consumer=RETRAIN_CONSUMER,
                batch=True,
                max_records=READ_MAX,
                polling_interval=self._config.block_ms,
            ),
            ack_policy=AckPolicy.MANUAL,
            parser=keep_raw,
            decoder=entry_ids,
            no_reply=True,
            include_in_schema=False,
        )

        async def delivered(entries: list[str]) -> None:
            log.debug("delivered %s", ", ".join(entries))
            self._runs.wake()

        subscriber(delivered)
        return subscriber

    async def run(self) -> int:
        """Serve until told to stop or unable to go on; return the process's exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        http, serving = self._start_http()
        ends: dict[asyncio.Task[Any], int] = {
            asyncio.create_task(self._stop.wait()): STOPPED,
            asyncio.create_task(self._app.fatal.wait()): READER_DIED,
        }
        work = asyncio.create_task(self._work())
        done, _ = await asyncio.wait({*ends, work}, return_when=asyncio.FIRST_COMPLETED)
        code = self._verdict(work) if work in done else max(ends[task] for task in done)
        if code == READER_DIED:
            log.critical("the reader stopped: a request stream lost its consumer group")
        log.info("stopping with exit code %d", code)
        self._runs.stop.set()
        if code == STOPPED and self._runs.in_job:
            await asyncio.wait({work}, timeout=GRACE_S)
        is_busy = self._runs.in_job
        await end_tasks((work, *ends), 2.0)
        with contextlib.suppress(Exception):
            await self._broker.stop()
        if not is_busy:  # a successor must not start while our thread still runs
            with contextlib.suppress(RedisError, OSError):
                await self._lock.release()
        await self._redis.aclose()
        http.should_exit = True
        await serving
        return code

    @staticmethod
    def _verdict(work: asyncio.Task[int]) -> int:
        error = work.exception()
        if error is None:
            return work.result()
        if isinstance(error, FencedError):
            log.critical("%s", error)
            return FENCED
        log.critical("the retrainer failed", exc_info=error)
        return FAILED

    def _start_http(self) -> tuple[_Http, asyncio.Task[None]]:
        config = self._config
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.http_host, config.http_port))
        except OSError as error:
            raise OSError(
                f"expected a free port {config.http_port} on {config.http_host} for health and metrics, "
                f"found {error.strerror}; choose another with --http-port"
            ) from error
        http = _Http(
            uvicorn.Config(
                self._app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=3
            )
        )
        return http, asyncio.create_task(http.serve(sockets=[listener]))

    async def _work(self) -> int:
        await self._patiently("taking the lock", self._take_lock)
        tasks = [asyncio.create_task(self._keep_lock())]
        try:
            await self._patiently("starting", self._start)
            log.info("serving requests from %s", ", ".join(self.health.streams))
            loops = (self._runs.serve, self._keep_sweeping, self._keep_archive, self._watch)
            tasks += [asyncio.create_task(one()) for one in loops]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return max(task.result() for task in done)
        finally:
            await end_tasks(tasks, 0.1)

    async def _start(self) -> None:
        await self._inbox.ensure_groups()
        if claimed := await self._inbox.inherit():
            log.warning("claimed %d requests of foreign consumer names", claimed)
        self.health.last_success_s = await last_success(self._redis)
        try:
            await self._broker.start()
        except (RedisError, OSError):
            for one in self._subscribers:
                await one.stop()  # half started, it would be started beside itself
            raise
        self.health.reader = self._broker.reader
        self.health.reading = True

    async def _take_lock(self) -> None:
        told = -math.inf
        while (owner := await self._lock.acquire()) is not None:
            self.health.trouble("lease", f"held by {owner}")
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                log.info("standing by: %s is held by %s", RETRAIN_LEASE, owner)
            await asyncio.sleep(self._lock.ttl_ms / 5_000)
        self._lock_renewed()
        log.info("took lock %s", self._lock.token)

    async def _keep_lock(self) -> int:
        """Renew the lock; after an outage that outlived it, take it again unless another has."""
        while True:
            await asyncio.sleep(self._lock.ttl_ms / 3_000)
            owner = await self._patiently("lease", self._renewed)
            if owner is not None:
                raise FencedError(f"expected to hold {RETRAIN_LEASE}, found {owner}; stopping")
            self._lock_renewed()

    async def _renewed(self) -> str | None:
        owner = await self._lock.renew()
        if owner != "":
            return owner
        log.warning("lock %s ran out", self._lock.token)
        return await self._lock.acquire()

    def _lock_renewed(self) -> None:
        self.health.well("lease")
        self.health.token = self._lock.token
        self.health.lease_until = self._lock.until

    async def _keep_sweeping(self) -> int:
        """By timer: the schedule, requests whose delivery went astray, and the gauges."""
        while True:
            await self._patiently("sweep", self._sweep)
            self._runs.wake()
            await asyncio.sleep(self._config.sweep_interval_s)

    async def _sweep(self) -> None:
        day = self._config.schedule_day
        if day is not None:
            stream = self.health.streams[0]
            if await keep_schedule(self._redis, self._desk, stream, day, await self._runs.now()):
                log.info("asked for the monthly retraining")
        self.health.waiting = await self._inbox.waiting()

    async def _keep_archive(self) -> int:
        while True:
            await self._patiently("archive of bars", self._runs.archive)
            await asyncio.sleep(self._config.archive_interval_s)

    async def _watch(self) -> int:
        """End the process when a reader no longer lives: a zombie would be silence without a fault."""
        while True:
            looked = time.monotonic()
            await asyncio.sleep(1.0)
            if time.monotonic() - looked > STOOD_STILL_S:
                continue
            self.health.reading = all(bool(one.running) for one in self._subscribers)
            if not self.health.reading:
                log.critical("the reader stopped")
                return READER_DIED
            if (silent_s := self.health.silent_s()) > 2 * self.health.reader_silence_s:
                log.critical("the reader has been silent for %.0f s", silent_s)
                return READER_DIED

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[Any]]) -> Any:
        return await patiently(self.health, what, attempt)


async def serve(config: RetrainerConfig, job: Job, champion: Champion) -> int:
    """Run one retrainer until it stops; return its exit code. End the process with `leave` then.

    0 stopped as asked, 1 failed, 70 the reader died, 75 another retrainer has the lock. Supervisors restart
    it whatever the code.

    Raises:
        OSError: the port for health and metrics is taken.
    """
    return await Retrainer(config, job, champion).run()


def leave(code: int) -> NoReturn:
    """End the process at once: a fit in a thread must not keep it, and all files are atomic."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
