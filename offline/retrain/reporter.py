"""How a job in its thread tells the event loop where it is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from offline.retrain.job import Stage, StopAskedError

EVERY_S = 5.0
STEP = 0.01
"""Within a stage a status at most every five seconds, and for a hundredth of the run."""

Tell = Callable[[Stage, float, str], Awaitable[None]]


class Reporter:
    """The `Report` of one run; safe to call from several threads."""

    def __init__(self, tell: Tell, stop: threading.Event) -> None:
        self._tell = tell
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._stage: Stage | None = None
        self._progress = -1.0
        self._due = 0.0

    def __call__(self, stage: Stage, progress: float, detail: str = "") -> None:
        """See `Report`."""
        self._check()
        with self._lock:
            is_new = stage != self._stage
            if not is_new and (progress < self._progress + STEP or time.monotonic() < self._due):
                return
            self._stage, self._progress, self._due = stage, progress, time.monotonic() + EVERY_S
        told = asyncio.run_coroutine_threadsafe(_awaited(self._tell(stage, progress, detail)), self._loop)
        if is_new:
            told.result()
            self._check()

    def _check(self) -> None:
        if self._stop.is_set():
            raise StopAskedError("the retrainer was told to stop; the run goes on at its next start")


async def _awaited(what: Awaitable[None]) -> None:
    await what
