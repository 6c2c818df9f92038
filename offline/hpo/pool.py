"""One single-threaded fit per core, fewer when the machine runs hot, none when the user interrupts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event
from types import TracebackType
from typing import Self, TypeVar

from offline.hpo.thermal import ThermalGuard

T = TypeVar("T")


class StoppedError(RuntimeError):
    """The pool was stopped while this fit ran; nothing of it is kept."""


class CellPool:
    """Runs jobs on as many threads as the guard allows at the moment. A context manager.

    LightGBM releases the interpreter while it fits, so threads suffice.
    """

    def __init__(self, workers: int, guard: ThermalGuard | None = None) -> None:
        self._guard = guard or ThermalGuard(workers, probe=lambda: False)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="cell")
        self._room = Condition()
        self._busy = 0
        self._stopped = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def workers(self) -> int:
        """How many jobs run at once now."""
        return self._guard.workers

    def stop(self) -> None:
        """End every running job at its next boosting round, and start no other."""
        self._stopped.set()
        with self._room:
            self._room.notify_all()

    def check(self) -> None:
        """Raise `StoppedError` after `stop`."""
        if self._stopped.is_set():
            raise StoppedError("the search was stopped")

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Every job's result, in the jobs' order."""
        self._guard.look()
        futures = [self._threads.submit(self._one, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _one(self, job: Callable[[], T]) -> T:
        with self._room:
            self._room.wait_for(lambda: self._stopped.is_set() or self._busy < self._guard.workers)
            self.check()
            self._busy += 1
        try:
            return job()
        finally:
            with self._room:
                self._busy -= 1
                self._room.notify()
