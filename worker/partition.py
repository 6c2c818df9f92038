"""One partition at work: the crash path is the start path.

Whatever went wrong (a lost reply, a cut connection, a dead owner), the cure is the same: reload what is
in effect, then drain the pending list in order. One lock serialises the reader, the drain and the sweep.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from contracts.lease import Lease
from contracts.model.bundle import Bundle
from contracts.model.grid import close_time
from contracts.model.intake import SymbolFold
from contracts.topics import Topics
from worker import store
from worker.arrival import read_entry
from worker.bars import Backlog, BarsStream, RawEntry
from worker.book import Book
from worker.commit import Answer, Commit, Committer, Retention
from worker.engine import Engine
from worker.lineup import Lineup
from worker.metrics import COMMITS
from worker.outcomes import OutcomesStream
from worker.partition_log import PartitionLog, about
from worker.refusals import Refusals
from worker.run import Observer, Run
from worker.scoreboard import Scoreboard
from worker.step import Event, State, Step
from worker.tally import tally

MAX_ATTEMPTS = 8
"""Each attempt follows a reload under our own lease: a second one settles every honest race."""


class FencedError(RuntimeError):
    """Another worker owns the partition: this one must stop."""


class RefusedError(RuntimeError):
    """A lineup that can not go on from what is folded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a partition works: batch size in entries, retention of the bars stream."""

    batch_max: int = 100
    bars_retention_s: int = 30 * 24 * 3600


class Partition:
    """Consumes one bars stream under a lease."""

    def __init__(
        self,
        redis: Redis,
        topics: Topics,
        lease: Lease,
        *,
        limits: Limits | None = None,
        retention: Retention | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.topics = topics
        self.lease = lease
        self.backlog = Backlog()
        self.scoreboard = Scoreboard()
        self._outcomes = OutcomesStream(redis, topics)
        self._redis = redis
        self._bars = BarsStream(redis, topics)
        self._limits = limits or Limits()
        self._committer = Committer(redis, topics, retention)
        self._engine = Engine(Lineup(), topics)
        self._state = State()
        self._cursor = ""
        self._swap = ""
        self._lock = asyncio.Lock()
        self._log = PartitionLog(logging.getLogger(__name__), topics, lambda: lease.token)
        self._refusals = Refusals(self._log, topics)
        self._observers = (tally(topics), *observers)

    @property
    def lineup(self) -> Lineup:
        """The bundles in force."""
        return self._engine.lineup

    @property
    def newest_close(self) -> int | None:
        """When the newest bar in effect closed, epoch seconds; None before the first."""
        return None if (opened := self.newest_open) is None else close_time(opened)

    @property
    def newest_open(self) -> int | None:
        """When the newest bar in effect opened, epoch seconds; None before the first."""
        opened = [fold.last_open_time for fold in self._state.symbols.values()]
        return max((at for at in opened if at is not None), default=None)

    @property
    def _reach(self) -> dict[str, int]:
        return {leader: track.last_open_time for leader, track in self._state.leaders.items()}

    def served(self) -> Iterator[tuple[str, Bundle, SymbolFold, Book | None]]:
        """Each symbol seen that a bundle in force serves: the bundle, its fold, the bundle's book of it."""
        state, lineup = self._state, self.lineup
        for symbol, fold in state.symbols.items():
            bundle = lineup.serving(symbol)
            if bundle is not None and symbol in bundle.symbols:
                yield symbol, bundle, fold, state.books.get((bundle.sha256, symbol))

    @property
    def cursor(self) -> str:
        """The last bars entry in effect; empty before the first."""
        return self._cursor

    async def start(self, lineup: Lineup) -> None:
        """With the lease held: create the group, load what is in effect, record the lineup, drain.

        Raises:
            FencedError: another worker took the lease meanwhile.
            StateError: the stored state is not readable.
        """
        async with self._lock:
            self._engine = Engine(lineup, self.topics)
            await self._bars.ensure_group()
            await self._reload()
            await self._drain()

    async def swap(self, lineup: Lineup) -> None:
        """Between two bars: every entry after the cursor is answered by `lineup`.

        Raises:
            RefusedError: it can not go on from what is folded; the lineup in force stays.
            FencedError: the lease is no longer ours.
            redis.RedisError: the server could not be reached; the lineup in force stays. Should the swap
                have been recorded, the next commit is STALE and puts it on record again.
        """
        async with self._lock:
            if problem := lineup.refusal(self.newest_open, self._reach):
                raise RefusedError(f"the swap was refused: {problem}")
            before = self._engine
            self._engine = Engine(lineup, self.topics)
            try:
                await self._reload()
            except BaseException:
                self._engine = before
                raise

    async def resume(self) -> None:
        """After an outage that let the lease expire: reload and drain under the new one."""
        async with self._lock:
            await self._reload()
            await self._drain()

    async def process(self, entries: Sequence[RawEntry]) -> None:
        """Bring consecutive entries into effect, exactly once.

        Raises:
            FencedError: the lease is no longer ours.
            redis.RedisError: the server could not be reached; the entries stay pending for the sweep.
        """
        async with self._lock:
            await self._settle_all(entries)

    async def sweep(self) -> None:
        """Bring into effect whatever a lost reply or a failed commit left pending, trim, and read scores."""
        async with self._lock:
            self.backlog = await self._bars.backlog()
            if self.backlog.pending:
                await self._reload()
                await self._drain()
                self.backlog = await self._bars.backlog()
            await self._trim()
        await self._outcomes.refresh(self.scoreboard)

    async def _reload(self) -> None:
        """Load what is in effect; put our lineup on record unless it is."""
        for _ in range(MAX_ATTEMPTS):
            loaded = await store.load(self._redis, self.topics)
            self._state, self._cursor, self._swap = loaded.state, loaded.cursor, loaded.swap
            lineup = self.lineup
            if lineup.champion is None or lineup.is_on(self._swap) or await self._record(lineup):
                return
        raise RuntimeError("expected to record our lineup under our own lease, found the cursor moving")

    async def _record(self, lineup: Lineup) -> bool:
        """Commit a swap to `lineup` after the entry in effect; False when that has moved meanwhile."""
        swap = lineup.record(self._cursor)
        event = Event(self.topics.swaps, swap.encode())
        answer, _ = await self._send(Commit((), self._cursor, events=(event,), bundle=swap))
        if answer is Answer.OK:
            self._swap = swap
            self._log.info("%s to entries after %s", lineup, self._cursor or "the beginning")
        return answer is Answer.OK

    async def _settle_all(self, entries: Sequence[RawEntry]) -> None:
        for _ in range(MAX_ATTEMPTS):
            entries = await self._acknowledge_old(entries)
            if not entries or await self._try(entries) in {Answer.OK, Answer.DUP}:
                return
            await self._reload()
            if await self._drain():
                return
        raise RuntimeError(
            f"expected the commit of {entries[0][0]} … {entries[-1][0]} to settle within {MAX_ATTEMPTS} "
            "attempts under our own lease; is something else writing the cursor?"
        )

    async def _drain(self) -> bool:
        """Bring the group's pending list into effect, oldest first; True when all of it went through."""
        claimed, gone = await self._bars.inherit()
        gone.sort(key=_order)
        if claimed or gone:
            self._log.warning(
                "claimed %d entries of foreign consumer names, %d more are gone", claimed, len(gone)
            )
        after = "0"
        while True:
            page = await self._bars.pending_after(after, self._limits.batch_max)
            after = page[-1][0] if page else after
            due: list[RawEntry] = [(i, None) for i in gone if not page or _order(i) < _order(after)]
            gone = gone[len(due) :]
            entries = sorted([*page, *due], key=lambda entry: _order(entry[0]))
            if not entries:
                return True
            fresh = await self._acknowledge_old(entries)
            if fresh and await self._try(fresh) not in {Answer.OK, Answer.DUP}:
                return False

    async def _acknowledge_old(self, entries: Sequence[RawEntry]) -> list[RawEntry]:
        """Acknowledge entries that are in effect already; return the others."""
        at = _order(self._cursor)
        old = [entry for entry, _ in entries if _order(entry) <= at]
        if old:
            await self._send(Commit(old, self._cursor))
        return [entry for entry in entries if _order(entry[0]) > at]

    async def _try(self, entries: Sequence[RawEntry]) -> Answer:
        server_time, at_hand = await self._bars.server_time(), time.perf_counter()
        arrivals = [read_entry(entry, fields, server_time) for entry, fields in entries]
        step = self._engine.run(self._state, arrivals)
        ids, stepped = [entry for entry, _ in entries], time.perf_counter()
        commit = Commit(ids, self._cursor, self._swap, step.events, store.fields_of(step), step.latest)
        said, detail = "error", ""
        try:
            answer, detail = await self._send(commit)
            said = answer.value
            if answer is Answer.OK:
                self._state, self._cursor = step.state, ids[-1]
        except FencedError:
            said = Answer.FENCED.value
            raise
        finally:
            times = (server_time, *(server_time + at - at_hand for at in (stepped, time.perf_counter())))
            run = Run(arrivals, step, self.lineup, said, *times)
            for observe in self._observers:
                observe(run)
        self._log.debug("%s %s … %s %s", said, ids[0], ids[-1], detail, extra=about(ids))
        if answer is Answer.OK:
            self._tell(step)
        elif answer is Answer.DUP:
            await self._reload()
        return answer

    def _tell(self, step: Step) -> None:
        """Log what a person should hear of what has just come into effect."""
        for failure in step.failures:
            told = "the engine failed on a bar, now in %s: %s"
            entry = failure.partition(":")[0]
            self._log.critical(told, self.topics.dead, failure, extra={"entry": entry})
        self._refusals.tell(step.events)

    async def _send(self, commit: Commit) -> tuple[Answer, str]:
        answer, detail = await self._committer.commit(commit, self.lease.token)
        COMMITS.labels(answer.value).inc()
        if answer is Answer.FENCED:
            raise FencedError(
                f"expected to own {self.topics.lease} as {self.lease.token}, found {detail or 'no owner'}; "
                "another worker serves this partition, or ours was away longer than its lease"
            )
        return answer, detail

    async def _trim(self) -> None:
        """Drop bars that are in effect and older than the retention; never one beyond the cursor."""
        if self._cursor:
            kept_from = await self._bars.server_time() - self._limits.bars_retention_s
            await self._bars.trim_before(min(f"{int(kept_from * 1_000)}-0", self._cursor, key=_order))


def _order(entry: str) -> tuple[int, int]:
    ms, _, seq = (entry or "0-0").partition("-")
    return int(ms), int(seq or 0)
