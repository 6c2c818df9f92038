"""Waiting for the server, loud and calm; and for a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from redis.exceptions import RedisError

from offline.retrain.health import Health

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


async def patiently(health: Health, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Attempt until the server lets it succeed, with growing pauses; one log line per kind of trouble."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            done = await attempt()
        except (RedisError, OSError) as error:
            if health.trouble(what, error):
                log.warning("%s: %s", what, health.troubles[what])
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        else:
            health.well(what)
            return done


async def in_thread(work: Callable[[], T], name: str) -> T:
    """The result of `work` in a daemon thread: one that hangs can not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name=name, daemon=True).start()
    return await future


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], patience_s: float) -> None:
    """Cancel the tasks until all have ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which the Redis client sends through,
    loses a cancellation that arrives together with its result.
    """
    running: set[asyncio.Task[Any]] = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=patience_s)
