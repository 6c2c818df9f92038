"""Champion against challenger, by the same evidence as `bands shadow`; reads only."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from contracts.errors import BadInputError, UnavailableError
from offline.shadow import Comparison, Ledger, compare, load_ledger, refresh
from ops.dashboard.cache import Cache, Swap

log = logging.getLogger(__name__)

EVERY_S = 20.0
"""A bar comes every four hours; a verdict may be a few seconds old."""


@dataclass(frozen=True, slots=True)
class Duel:
    """The newest comparison; `problem` says why there is none where a challenger is in shadow."""

    comparison: Comparison | None = None
    problem: str | None = None


class Judge(threading.Thread):
    """Brings the comparison of the pair in force up to date until `stop`.

    It begins with the ledger kept in the workspace and reads on from there, in memory: the file is left to
    the release commands.
    """

    def __init__(
        self, cache: Cache, connect: Callable[[], Any], workspace: Path, partitions: int, alpha: float
    ) -> None:
        super().__init__(name="dashboard-judge", daemon=True)
        self.duel = Duel()
        self._cache = cache
        self._connect = connect
        self._folder = workspace / "shadow"
        self._partitions = partitions
        self._alpha = alpha
        self._halt = threading.Event()
        self._ledger: Ledger | None = None
        self._judged: tuple[Any, ...] = ()
        self._epoch = cache.epoch

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        self._halt.set()
        if self.is_alive():
            self.join(10)

    def run(self) -> None:
        """Judge until stopped."""
        while not self._halt.is_set():
            try:
                told = self._look()
            except (RedisError, RedisClusterException, UnavailableError, BadInputError, OSError) as error:
                told = Duel(self.duel.comparison, str(error) or type(error).__name__)
            except Exception:
                log.exception("the comparison failed")
                told = Duel(problem="the comparison failed, the dashboard's log says why")
            if told != self.duel:
                self.duel = told
                self._cache.version += 1
            # A new pair is looked at soon.
            for _ in range(round(EVERY_S)):
                if self._halt.wait(1.0) or self._pair() != self._judged[:2]:
                    break

    def _pair(self) -> tuple[str | None, str | None]:
        swap = last_swap(self._cache)
        return (swap.champion, swap.challenger) if swap else (None, None)

    def _look(self) -> Duel:
        champion, challenger = self._pair()
        if champion is None or challenger is None:
            self._judged = (champion, challenger)
            return Duel()
        after_ms, since_ms = self._moments(challenger)
        begun = self._ledger
        is_same = begun is not None and (begun.champion, begun.challenger) == (champion, challenger)
        if begun is None or not is_same or begun.after_ms != after_ms or self._epoch != self._cache.epoch:
            begun = load_ledger(self._folder, champion, challenger, after_ms)
            self._epoch = self._cache.epoch
        ledger = copy.deepcopy(begun)  # one that was read half is dropped
        client = self._connect()
        try:
            refresh(ledger, client, self._partitions, since_ms=since_ms)
        finally:
            client.close()
        self._ledger = ledger
        state = (champion, challenger, after_ms, ledger.settled_until, len(ledger.rows))
        if state != self._judged or self.duel.comparison is None:
            self._judged = state
            return Duel(compare(ledger, self._alpha))
        return Duel(self.duel.comparison)

    def _moments(self, challenger: str) -> tuple[int, int]:
        """When it was last rolled back, and last put in shadow: the server's milliseconds, or 0."""
        rolled_back = shadowed = 0
        for at, release in self._cache.told("releases"):
            if release.action == "rollback" and release.from_bundle == challenger:
                rolled_back = round(1_000 * at)
            if release.action == "shadow" and release.to_bundle == challenger:
                shadowed = round(1_000 * at)
        return rolled_back, shadowed


def last_swap(cache: Cache) -> Swap | None:
    """The lineup in force, of the lowest partition that has one."""
    swaps: list[Swap] = cache.told("swaps")
    if not swaps:
        return None
    lowest = min(swap.partition for swap in swaps)
    return next(swap for swap in reversed(swaps) if swap.partition == lowest)
