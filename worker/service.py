"""The worker process: FastStream wiring around one partition, from start to a meaningful exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from typing import Any

import uvicorn
from faststream.asgi import AsgiFastStream, AsyncAPIRoute
from faststream.middlewares import AckPolicy
from faststream.redis import StreamSub
from faststream.redis.prometheus import RedisPrometheusMiddleware
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from contracts.connect import connect
from contracts.lease import Lease
from contracts.model.bundle import BundleError, SignatureError
from contracts.topics import GROUP
from worker.asyncapi import specification
from worker.config import WorkerConfig
from worker.drift import preload
from worker.follow import Follower, first_lineup
from worker.health import Health, health_routes
from worker.lineup import Lineup
from worker.measure import describe
from worker.metrics import REGISTRY
from worker.partition import FencedError, Partition
from worker.reader import PatientBroker, keep_raw, raw_entries
from worker.tracing import start_tracing
from worker.upkeep import Upkeep, end_tasks

log = logging.getLogger(__name__)
_FASTSTREAM_LOG = logging.getLogger("faststream")

STOPPED = 0
FAILED = 1
BAD_BUNDLE = 3
READER_DIED = 70
FENCED = 75

STOOD_STILL_S = 5.0
"""After a pause of the whole process its reader is asked before it is judged."""

COMMIT_RETRIES = 3
"""The commit is idempotent: a second attempt after a lost reply answers DUP."""


class _App(AsgiFastStream):
    """FastStream's `exit` does nothing under an outer server; here it ends the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fatal = asyncio.Event()

    def exit(self) -> None:
        self.fatal.set()


class _Http(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals to the worker: uvicorn would raise them again and spoil the exit code."""
        return contextlib.nullcontext()


class Worker:
    """One partition served by one process."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        # A healthy reader returns every block_ms; a dead server costs one socket timeout and a pause.
        silence_s = config.block_ms / 1_000 + 2 * config.socket_timeout_s + 5.0
        self.health = Health(reader_silence_s=silence_s)
        retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), COMMIT_RETRIES)
        self._redis = connect(
            config.redis_url,
            cluster=config.cluster,
            socket_timeout=config.socket_timeout_s,
            protocol=2,
            retry=retry,
        )
        self._lease = Lease(self._redis, config.topics.lease, config.topics.epoch, config.lease_ttl_ms)
        describe(config.topics)
        self._tracing = start_tracing(config.tracing, config.topics)
        self._partition = Partition(
            self._redis,
            config.topics,
            self._lease,
            limits=config.limits,
            retention=config.retention,
            observers=(self._tracing.record,) if self._tracing else (),
        )
        self._upkeep = Upkeep(self._partition, self._lease, self.health, config.sweep_interval_s)
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
            specification=specification(config.topics),
            asyncapi_path=AsyncAPIRoute("/docs", asyncapi_json_path="/asyncapi.json"),
        )
        self._subscriber: Any = self._broker.subscriber(
            stream=StreamSub(
                config.topics.bars,
                group=GROUP,
                consumer=config.topics.consumer,
                batch=True,
                max_records=config.limits.batch_max,
                polling_interval=config.block_ms,
            ),
            ack_policy=AckPolicy.MANUAL,
            parser=keep_raw,
            decoder=raw_entries,
            no_reply=True,
            include_in_schema=False,
        )
        self._subscriber(self._upkeep.on_bars)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until told to stop or unable to go on; return the process's exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        http, serving = self._start_http()
        ends = {
            asyncio.create_task(self._stop.wait()): STOPPED,
            asyncio.create_task(self._upkeep.failed.wait()): FAILED,
            asyncio.create_task(self._app.fatal.wait()): READER_DIED,
        }
        work = asyncio.create_task(self._work())
        done, _ = await asyncio.wait({*ends, work}, return_when=asyncio.FIRST_COMPLETED)
        code = self._code(done, ends, work)
        log.info("stopping with exit code %d", code)
        await self._shut_down(work, ends, http, serving)
        return code

    def _code(self, done: set[Any], ends: dict[Any, int], work: asyncio.Task[int]) -> int:
        if work in done:
            return self._verdict(work)
        code = max(ends[task] for task in done)
        if code == READER_DIED:
            log.critical("the reader stopped: %s lost its consumer group", self._config.topics.bars)
        return code

    def _verdict(self, work: asyncio.Task[int]) -> int:
        error = work.exception()
        match error:
            case None:
                return work.result()
            case FencedError():
                log.critical("%s", error)
                return FENCED
            case BundleError() | SignatureError():
                log.critical("%s", error)
                return BAD_BUNDLE
        log.critical("the worker failed", exc_info=error)
        return FAILED

    async def _shut_down(self, work: Any, ends: Any, http: _Http, serving: asyncio.Task[None]) -> None:
        await end_tasks((work, *ends), 2.0)
        with contextlib.suppress(Exception):
            await self._broker.stop()
        with contextlib.suppress(RedisError, OSError):
            await self._lease.release()
        await self._redis.aclose()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.stop)
        http.should_exit = True
        await serving

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
        lineup = await first_lineup(self._config, self.health)
        await asyncio.to_thread(preload)
        await self._upkeep.patiently("taking the lease", self._upkeep.take_lease)
        # Renewed from now on: draining a long backlog may take longer than the lease lives.
        tasks = [asyncio.create_task(self._upkeep.keep_lease())]
        try:
            await self._upkeep.patiently("starting", lambda: self._start(lineup))
            self.health.partition = self._partition
            log.info("serving %s: %s", self._config.topics.bars, lineup)
            loops = [self._upkeep.keep_sweeping, self._watch]
            if self._config.registry is not None:
                follower = Follower(
                    self._redis,
                    self._partition,
                    self._config.registry,
                    self.health,
                    self._upkeep.lease_lost,
                )
                loops += [follower.keep_polling, follower.keep_listening]
            tasks += [asyncio.create_task(loop()) for loop in loops]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return max(task.result() for task in done)
        finally:
            await end_tasks(tasks, 0.1)

    async def _start(self, lineup: Lineup) -> None:
        await self._upkeep.start(lineup)
        try:
            await self._broker.start()
        except (RedisError, OSError):
            await self._subscriber.stop()  # half started, it would be started beside itself
            raise
        self.health.reader = self._broker.reader
        self.health.reading = True

    async def _watch(self) -> int:
        """End the process when the reader no longer lives: a zombie would be silence without a fault."""
        while True:
            looked = time.monotonic()
            await asyncio.sleep(1.0)
            if time.monotonic() - looked > STOOD_STILL_S:
                continue
            reader = self.health.reader
            self.health.reading = bool(self._subscriber.running)
            if not self._subscriber.running:
                log.critical("the reader stopped")
                return READER_DIED
            silent_s = time.monotonic() - reader.beat if reader is not None and reader.beat else 0.0
            if silent_s > 2 * self.health.reader_silence_s:
                log.critical("the reader has been silent for %.0f s", silent_s)
                return READER_DIED


async def serve(config: WorkerConfig) -> int:
    """Run one worker until it stops; return its exit code.

    0 stopped as asked, 1 failed, 3 bundle refused, 70 the reader died, 75 another worker owns the
    partition. Supervisors restart it whatever the code.

    Raises:
        OSError: the port for health and metrics is taken.
    """
    return await Worker(config).run()
