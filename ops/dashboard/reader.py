"""The thread that keeps the cache: the newest records first, older ones behind them, then what comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisClusterException, RedisError, ResponseError

from contracts.errors import UnavailableError
from ops.dashboard.cache import Cache
from ops.dashboard.facts import ServerFacts, look
from ops.dashboard.streams import Entries, Source, moment_of, sources

log = logging.getLogger(__name__)

RETRY_S = 1.0
BREATH_S = 0.05
"""Between two pages of older records: whoever looks at the page comes first."""
FACTS_S = 2.0
TRIM_S = 3_600.0


@dataclass(slots=True)
class Progress:
    """How far one stream has been read: after `newest`, and before `oldest` where older ones are left."""

    source: Source
    newest: str = "0-0"
    oldest: str | None = None


@dataclass(slots=True)
class State:
    """What the pages tell of the reading itself."""

    problem: str | None = "not connected yet"
    since: float = field(default_factory=time.time)
    loading: bool = True
    """Whether older records are still being read."""
    facts: ServerFacts = field(default_factory=ServerFacts)


class Reader(threading.Thread):
    """Follows the streams behind `connect` until `stop`; whatever fails is told in `state` and tried again.

    `connect` gives a synchronous client without decoding, or raises UnavailableError when there is no server.
    """

    def __init__(
        self, cache: Cache, connect: Callable[[], Any], partitions: int = 1, poll_s: float = 1.0
    ) -> None:
        super().__init__(name="dashboard-reader", daemon=True)
        self.cache = cache
        self.state = State()
        self._connect = connect
        self._partitions = partitions
        self._poll_s = poll_s
        self._halt = threading.Event()
        self._clock_ahead_s = 0.0
        self._plan = self._fresh_plan()
        self._last_facts = 0.0
        self._last_trim = time.monotonic()

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        self._halt.set()
        if self.is_alive():
            self.join(10)

    def run(self) -> None:
        """Read until stopped."""
        while not self._halt.is_set():
            client = None
            try:
                client = self._connect()
                self._follow(client)
            except (RedisError, RedisClusterException, UnavailableError, OSError) as error:
                self._trouble(str(error) or type(error).__name__)
            except Exception:
                log.exception("the reader failed; it starts again")
                self._trouble("the dashboard's reader failed, its log says why")
            finally:
                if client is not None:
                    client.close()
            self._halt.wait(RETRY_S)

    def _fresh_plan(self) -> list[list[Progress]]:
        found = sources(self.cache, self._partitions, lambda: time.time() + self._clock_ahead_s)
        return [[Progress(one) for one in group] for group in found]

    def _follow(self, client: Any) -> None:
        while not self._halt.is_set():
            seconds, micros = client.time()
            self._clock_ahead_s = seconds + micros / 1e6 - time.time()
            if self._started_anew(client):
                self.cache.forget()
                self._plan = self._fresh_plan()
                log.info("the server holds other streams than before: read anew")
            more = sum(self._tail(client, group) for group in self._plan) > 0
            self._tell_well()
            if time.monotonic() - self._last_facts > FACTS_S:
                self.state.facts = look(client, self._partitions)
                self._last_facts = time.monotonic()
            more = self._backfill(client) or more
            if self.state.loading != more:
                self.state.loading = more
                self.cache.trim()
                self.cache.version += 1
            if more:
                self._halt.wait(BREATH_S)
            else:
                self._keep_house()
                self._halt.wait(self._poll_s)

    def _started_anew(self, client: Any) -> bool:
        """Whether a stream ends before where it was read to: another server, or an emptied one."""
        for group in self._plan:
            read = [one for one in group if one.newest != "0-0"]
            pipe = client.pipeline(transaction=False)
            for one in read:
                pipe.xrevrange(one.source.stream, count=1)
            for one, found in zip(read, pipe.execute(raise_on_error=False) if read else (), strict=True):
                if isinstance(found, Exception):
                    continue
                # Trimmed to nothing, a stream is still there.
                gone = client.type(one.source.stream) == b"none" if not found else False
                if gone or (found and order(found[0][0]) < order(one.newest)):
                    return True
        return False

    def _tail(self, client: Any, group: list[Progress]) -> bool:
        """Take what is newer than was read; True when there may be more."""
        pipe = client.pipeline(transaction=False)
        for one in group:
            stream = one.source.stream
            if one.newest == "0-0" and not one.source.in_order:
                pipe.xrevrange(stream, count=one.source.page)
            else:
                pipe.xrange(stream, min=f"({one.newest}", count=one.source.page)
        more = False
        for one, found in zip(group, pipe.execute(raise_on_error=False), strict=True):
            if isinstance(found, ResponseError):  # a key of another type, or one we may not read
                log.debug("%s: %s", one.source.stream, found)
                continue
            if isinstance(found, Exception):
                raise found
            entries: Entries = found
            if not entries:
                continue
            if one.newest == "0-0" and not one.source.in_order:
                entries = entries[::-1]
                one.oldest = entries[0][0].decode() if len(entries) == one.source.page else None
            else:
                more = more or len(entries) == one.source.page
            one.source.take(entries)
            one.newest = entries[-1][0].decode()
        return more

    def _backfill(self, client: Any) -> bool:
        """One page of older records of every stream; True while there are more."""
        left = False
        for group in self._plan:
            for one in group:
                if one.oldest is None:
                    continue
                page = one.source.page
                entries = client.xrevrange(one.source.stream, max=f"({one.oldest}", count=page)
                one.source.take(entries[::-1])
                one.oldest = entries[-1][0].decode() if len(entries) == page else None
                left = left or one.oldest is not None
        return left

    def _keep_house(self) -> None:
        if time.monotonic() - self._last_trim > TRIM_S:
            self.cache.trim()
            self._last_trim = time.monotonic()

    def _trouble(self, problem: str) -> None:
        if self.state.problem != problem:
            log.warning("the server that holds the streams: %s", problem)
            if self.state.problem is None:
                self.state.since = time.time()
            self.state.problem = problem
            self.cache.version += 1

    def _tell_well(self) -> None:
        if self.state.problem is not None:
            log.info("the server that holds the streams answers")
            self.state.problem, self.state.since = None, time.time()
            self.cache.version += 1


def order(entry: bytes | str) -> tuple[float, int]:
    """An entry id, comparable."""
    text = entry.decode() if isinstance(entry, bytes) else entry
    return moment_of(text), int(text.partition("-")[2] or 0)
