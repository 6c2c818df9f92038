"""The run loop: pending requests one after another, each to its final status.

The crash path is the start path: whatever was delivered is pending, and what is pending is served, the run
in progress first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from redis.asyncio import Redis

from contracts.errors import BadInputError, UnavailableError
from contracts.events import RetrainRequest, RetrainStatus
from contracts.topics import RETRAIN_RUN
from offline.retrain.archive import archive_bars
from offline.retrain.config import RetrainerConfig
from offline.retrain.desk import Answer, Desk
from offline.retrain.fenced import FencedError
from offline.retrain.health import Health
from offline.retrain.inbox import Inbox
from offline.retrain.job import Job, Result, Stage, StopAskedError
from offline.retrain.metrics import ARCHIVED, RESUMES, RUNS
from offline.retrain.patience import in_thread, patiently
from offline.retrain.reporter import Reporter
from offline.retrain.requests import Entry, read_request

log = logging.getLogger(__name__)

T = TypeVar("T")

DETAIL_MAX = 2_000
"""Characters of a detail that are kept."""

Champion = Callable[[], str | None]
"""The label of the bundle that serves, None when none does; raises UnavailableError."""


class Runs:
    """Serves requests while the lock is held. `stop` ends the run in progress at its next report."""

    def __init__(
        self,
        config: RetrainerConfig,
        redis: Redis,
        desk: Desk,
        inbox: Inbox,
        health: Health,
        job: Job,
        champion: Champion,
    ) -> None:
        self._config = config
        self._redis: Any = redis
        self._desk = desk
        self._inbox = inbox
        self._health = health
        self._job = job
        self._champion = champion
        self._woken = asyncio.Event()
        self.stop = threading.Event()
        self.in_job = False

    def wake(self) -> None:
        """Look at the pending list now."""
        self._woken.set()

    async def now(self) -> datetime:
        """The server's clock, UTC."""
        seconds, microseconds = await self._redis.time()
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)

    async def serve(self) -> int:
        """Serve until stopped; 0.

        Raises:
            FencedError: another retrainer has the lock.
        """
        while not self.stop.is_set():
            self._woken.clear()
            entry = await self._patiently("inbox", self._inbox.next)
            if entry is not None:
                await self._serve(entry)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._config.sweep_interval_s)
        return 0

    async def archive(self) -> None:
        """Keep the bars that have flowed; a damaged archive is told and left alone."""
        try:
            added = await archive_bars(self._redis, self._config.topics, self._config.workspace)
        except BadInputError as error:
            if self._health.trouble("archive", error):
                log.exception("the archive of bars can not be read")
            return
        self._health.well("archive")
        ARCHIVED.inc(added)

    async def _serve(self, entry: Entry) -> None:
        request = read_request(entry)
        if isinstance(request, str):
            log.warning("%s %s: %s", entry.stream, entry.id, request)
            await self._end(entry, "failed", entry.id, request)
            return
        known = await self._patiently("run", lambda: self._redis.hmget(RETRAIN_RUN, "id", "entry", "bundle"))
        if known[:2] == [request.id.encode(), entry.id.encode()]:
            bundle = (known[2] or b"").decode()
        else:
            champion = await self._look_up()
            if request.bundle not in (None, champion) and not request.force:
                detail = f"{request.bundle} is champion no more, {champion or 'none'} is"
                await self._end(entry, "skipped", request.id, detail, replaces=request.bundle)
                return
            bundle = champion or ""
        await self._begin(entry, request, bundle)

    async def _begin(self, entry: Entry, request: RetrainRequest, bundle: str) -> None:
        asked = f"{request.requested_by}: {request.reason}"[:DETAIL_MAX]
        status = await self._status(request.id, "accepted", asked, replaces=bundle or None)
        cooldown_ms = int(self._config.cooldown_days * 86_400_000)
        answer, detail = await self._patiently(
            "begin", lambda: self._desk.begin(entry, request, bundle, status, cooldown_ms)
        )
        if answer is Answer.COOLDOWN:
            since_ms, _, before = detail.partition(" ")
            at = datetime.fromtimestamp(int(since_ms) / 1_000, UTC)
            told = (
                f"{bundle or 'no champion'} had run {before} accepted at {at:%Y-%m-%dT%H:%M:%SZ}, within the "
                f"cooldown of {self._config.cooldown_days:g} days"
            )
            await self._end(entry, "skipped", request.id, told, replaces=bundle or None)
        elif answer in (Answer.STARTED, Answer.RESUMED):
            if answer is Answer.RESUMED:
                RESUMES.inc()
            log.info("%s %s: %s", answer.value.lower(), request.id, asked)
            if int(detail) > self._config.max_starts:
                told = f"was started {detail} times without moving: its process dies; see the retrainer's log"
                await self._end(entry, "failed", request.id, told, replaces=bundle or None)
                return
            await self._run(entry, request, bundle)

    async def _run(self, entry: Entry, request: RetrainRequest, bundle: str) -> None:
        self._health.run = request.id
        try:
            await self._patiently("archive of bars", self.archive)
            result = await self._worked(request, bundle)
        except StopAskedError:
            log.info("stopped %s; it goes on at the next start", request.id)
            return
        finally:
            self._health.run = self._health.stage = None
        if isinstance(result, str):
            await self._end(entry, "failed", request.id, result, replaces=bundle or None)
            return
        await self._end(
            entry,
            "registered" if result.go else "failed",
            request.id,
            result.detail,
            bundle=result.bundle,
            replaces=bundle or None,
            registry_version=result.version,
            alias=result.alias,
        )

    async def _worked(self, request: RetrainRequest, bundle: str) -> Result | str:
        """The job's result, or why it failed; waits while the registry is away."""

        async def tell(stage: Stage, progress: float, detail: str) -> None:
            status = await self._status(
                request.id, stage, detail, progress=min(1.0, max(0.0, progress)), replaces=bundle or None
            )
            self._health.stage, self._health.progress = stage, status.progress
            await self._patiently("progress", lambda: self._desk.progress(status))

        while True:
            reporter = Reporter(tell, self.stop)
            self.in_job = True
            try:
                return await in_thread(lambda: self._job(request, self._config.workspace, reporter), "job")  # noqa: B023
            except UnavailableError as error:
                if self._health.trouble("registry", error):
                    log.warning("%s waits: %s", request.id, error)
            except (StopAskedError, FencedError):
                raise
            except Exception as error:
                log.exception("%s failed", request.id)
                return f"{type(error).__name__}: {error}"
            finally:
                self.in_job = False
            await asyncio.sleep(self._config.retry_s)
            self._health.well("registry")

    async def _look_up(self) -> str | None:
        while True:
            try:
                champion = await in_thread(self._champion, "champion")
            except UnavailableError as error:
                if self._health.trouble("registry", error):
                    log.warning("requests wait: %s", error)
                await asyncio.sleep(self._config.retry_s)
            else:
                self._health.well("registry")
                return champion

    async def _end(self, entry: Entry, stage: str, run_id: str, detail: str, **more: str | None) -> None:
        progress = 1.0 if stage == "registered" else self._health.progress if stage == "failed" else 0.0
        status = await self._status(run_id, stage, detail, progress=progress, **more)
        answer = await self._patiently("end", lambda: self._desk.end(entry, status))
        self._health.progress = 0.0
        if answer is Answer.OK:
            RUNS.labels(stage).inc()
            if stage == "registered":
                self._health.last_success_s = status.at.timestamp()
            log.info("%s %s: %s", run_id, stage, detail)
        else:
            log.warning("%s has its final status already (%s)", run_id, answer.value)

    async def _status(self, run_id: str, stage: str, detail: str, **more: Any) -> RetrainStatus:
        at = await self._patiently("clock", self.now)
        told = {name: value for name, value in more.items() if value is not None}
        return RetrainStatus.model_validate(
            {"id": run_id, "at": at, "stage": stage, "detail": detail[:DETAIL_MAX], **told}
        )

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        return await patiently(self._health, what, attempt)
