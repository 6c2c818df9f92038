"""What keeps a partition served: its lease renewed, its pending list swept, its troubles told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from redis.exceptions import RedisError

from contracts.lease import Lease
from worker.bars import RawEntry
from worker.health import Health
from worker.lineup import Lineup
from worker.partition import FencedError, Partition
from worker.partition_log import PartitionLog, about

TOLD_EVERY_S = 60.0


class Upkeep:
    """The tasks around one partition. Faults of the server are waited out, loud and calm."""

    def __init__(self, partition: Partition, lease: Lease, health: Health, sweep_interval_s: float) -> None:
        self._partition = partition
        self._lease = lease
        self._health = health
        self._sweep_interval_s = sweep_interval_s
        self._check_lease = asyncio.Event()
        self._log = PartitionLog(logging.getLogger(__name__), partition.topics, lambda: lease.token)
        self.failed = asyncio.Event()
        """Set when a bar could not be taken into effect for a reason that waiting does not cure."""

    async def take_lease(self) -> None:
        """Wait until the lease is ours."""
        told = -math.inf
        while (owner := await self._lease.acquire()) is not None:
            self._health.server_up = True
            self._health.troubles["lease"] = f"held by {owner}"
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                self._log.warning(
                    "waiting for the lease of %s, held by %s", self._partition.topics.bars, owner
                )
            await asyncio.sleep(self._lease.ttl_ms / 5_000)
        self._health.troubles.pop("lease", None)
        self._lease_renewed()
        self._log.info("took lease %s", self._lease.token)

    async def start(self, lineup: Lineup) -> None:
        """Start the partition; a lease that ran out meanwhile and is nobody's is taken again.

        Raises:
            FencedError: another worker took it.
            StateError: the stored state is not readable.
        """
        while True:
            try:
                return await self._partition.start(lineup)
            except FencedError:
                if await self._lease.acquire() is not None:
                    raise
                self._log.warning("the lease ran out while starting; took %s", self._lease.token)

    async def on_bars(self, entries: list[RawEntry]) -> None:
        """Take delivered entries into effect; what a fault prevents stays pending for the sweep."""
        try:
            await self._partition.process(entries)
        except FencedError:
            self.lease_lost()
        except (RedisError, OSError) as error:
            self._trouble("commit", error, **about([entry for entry, _ in entries]))
        except Exception:  # noqa: BLE001 - whatever it is, it is told and ends the process
            ids = [entry for entry, _ in entries]
            self._log.critical("a bar could not be taken into effect", exc_info=True, extra=about(ids))
            self.failed.set()
        else:
            self._health.troubles.pop("commit", None)

    def lease_lost(self) -> None:
        """A commit was fenced: look at the lease at once, and end or catch up."""
        self._check_lease.set()

    async def keep_lease(self) -> int:
        """Renew the lease; after an outage that outlived it, take it again and catch up.

        Raises:
            FencedError: another worker owns the partition.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._check_lease.wait(), self._lease.ttl_ms / 3_000)
            self._check_lease.clear()
            try:
                owner = await self._lease.renew()
                if owner == "":
                    self._log.warning("lease %s ran out", self._lease.token)
                    owner = await self._lease.acquire()
                    if owner is None:
                        await self._partition.resume()
            except FencedError:
                continue  # it ran out again while we waited for our turn: look whose it is
            except (RedisError, OSError) as error:
                self._trouble("lease", error)
                continue
            if owner is not None:
                raise FencedError(f"expected to own {self._partition.topics.lease}, found {owner}; stopping")
            self._health.troubles.pop("lease", None)
            self._lease_renewed()

    async def keep_sweeping(self) -> int:
        """Bring stragglers into effect by timer, for ever."""
        while True:
            try:
                await self._partition.sweep()
            except FencedError:
                self.lease_lost()
            except (RedisError, OSError) as error:
                self._trouble("sweep", error)
            else:
                self._health.server_up = True
                for part in ("sweep", "commit"):
                    self._health.troubles.pop(part, None)
            await asyncio.sleep(self._sweep_interval_s)

    async def patiently(self, what: str, attempt: Callable[[], Awaitable[None]]) -> None:
        """Attempt until the server lets it succeed, with growing pauses."""
        pause = 0.2
        while True:
            try:
                await attempt()
            except (RedisError, OSError) as error:
                self._trouble(what, error)
                await asyncio.sleep(pause)
                pause = min(5.0, 2 * pause)
            else:
                self._health.troubles.pop(what, None)
                return

    def _trouble(self, part: str, error: Exception, **fields: Any) -> None:
        told = f"{type(error).__name__}: {error}"
        self._health.server_up = False
        if self._health.troubles.get(part) != told:
            self._log.warning("%s: %s", part, told, extra={"part": part, **fields})
        self._health.troubles[part] = told

    def _lease_renewed(self) -> None:
        self._health.server_up = True
        self._health.lease_until = self._lease.until


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
