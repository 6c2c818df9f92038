"""An endless, resumable iteration over the messages of some streams."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Literal, Self

from contracts.client.connect import Patience, connect, log, place
from contracts.client.decode import Decoder, E, Skip, SkipKind
from contracts.client.errors import NewerSchemaError
from contracts.client.gap import Gap
from contracts.client.position import FilePosition, Position, PositionStore, checked_position
from contracts.client.reader import Entry, Reader, Start, checked_start
from contracts.client.streams import Streams


class Subscription(Generic[E]):
    """What `subscribe` and `outcomes` return: iterate over it; leave it with `aclose` or `async with`.

    For one reader at a time. Cancelling the wait for a record (`asyncio.timeout`) loses nothing.
    """

    def __init__(
        self,
        url: str,
        streams: Streams,
        decoder: Decoder[E],
        *,
        wanted: Callable[[E], bool],
        position: Position | PositionStore | None,
        start: Start,
        cluster: bool = False,
        on_gap: Callable[[Gap], None] | None = None,
        newer: Literal["raise", "skip"] = "raise",
        follow: bool = True,
        patience_s: float | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._decoder = decoder
        self._streams = streams
        self._wanted = wanted
        self._start = start
        self._newer = newer
        self._follow = follow
        is_plain = position is None or isinstance(position, Mapping)
        self._store: PositionStore | None = None if is_plain else position  # type: ignore[assignment]
        self._given = checked_position(position or {}) if is_plain else {}
        streams.check(self._given)
        checked_start(start)
        self._client = connect(url, cluster=cluster, options=options)
        # A cluster reads only what one node holds in one command; a single server reads everything at once.
        groups = streams.groups if cluster else (tuple(s for group in streams.groups for s in group),)
        # Each partition's own: one that answers must not hide another that does not.
        self._readers = [
            Reader(self._client, group, Patience(place(url), patience_s), on_gap) for group in groups
        ]
        self._reads: dict[asyncio.Task[list[Entry]], Reader] = {}
        self._found: deque[Entry] = deque()
        self._position: dict[str, str] = dict(self._given)
        self._handed: Entry | None = None
        self._unsaved = 0
        self._moved = False
        self._begun = False
        self.skipped: Counter[SkipKind] = Counter()
        self._told: set[str] = set()

    @property
    def position(self) -> dict[str, str]:
        """Everything up to and including the record in hand, as JSON types; give it back as `position=`."""
        return dict(self._position)

    @property
    def entry(self) -> tuple[str, str] | None:
        """Stream and entry id of the record in hand: the same each time that record is handed out."""
        return None if self._handed is None else (self._handed.stream, self._handed.id)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """Say that the record in hand is handled, and wait for the next.

        Raises:
            TrimmedError: records after the position may be gone and `on_gap` is not given.
            NewerSchemaError: the next record is newer than this library and `newer` is "raise".
            UnavailableError: the server refuses this user, is no such server, or was away for `patience_s`.
            BadInputError: the stored position is not one of these streams.
            StopAsyncIteration: with `follow=False`, everything there is has been handed out.
        """
        if not self._begun:
            await self._begin()
        await self._handled(1 if self._handed is not None else 0)
        while True:
            while self._found:
                if (event := self._next_found()) is not None:
                    return event
            if not await self._fetch():
                await self._save()
                if not self._follow:
                    await self.aclose()
                    raise StopAsyncIteration

    async def acknowledge(self) -> None:
        """Say now that the record in hand is handled, and save; before leaving a loop early."""
        self._handed = None
        await self._save()

    async def aclose(self) -> None:
        """Close the connections. The record in hand counts as not handled unless acknowledged."""
        for read in self._reads:
            read.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
        self._reads.clear()
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _begin(self) -> None:
        if self._store is not None:
            self._given = checked_position(await asyncio.to_thread(self._store.load) or {})
            self._streams.check(self._given)
        begun = await asyncio.gather(*(reader.begin(self._given, self._start) for reader in self._readers))
        self._position = dict(self._given)
        for kept in begun:
            self._position.update(kept)
        self._moved = self._position != self._given
        # What "new" meant is kept at once, or a kill before the first record would move it.
        await self._save()
        self._begun = True

    async def _handled(self, records: int) -> None:
        self._handed = None
        self._unsaved += records
        if self._unsaved >= (self._store.every if isinstance(self._store, FilePosition) else 1):
            await self._save()

    async def _save(self) -> None:
        if self._store is not None and self._moved:
            await asyncio.to_thread(self._store.save, dict(self._position))
        self._moved, self._unsaved = False, 0

    def _next_found(self) -> E | None:
        """Move on by one entry; the message, or None when it is not for this subscriber.

        Raises:
            NewerSchemaError: it is newer than this library; the entry stays next.
        """
        entry = self._found[0]
        event = self._decoder.decode(entry.fields)
        if isinstance(event, Skip):
            self._skip(entry, event)
        self._found.popleft()
        self._position[entry.stream] = entry.id
        self._moved = True
        if isinstance(event, Skip) or not self._wanted(event):
            return None
        self._handed = entry
        return event

    def _skip(self, entry: Entry, skip: Skip) -> None:
        if skip.kind == "newer" and self._newer == "raise":
            raise NewerSchemaError(skip.found, self._decoder.known, entry.stream, entry.id)
        self.skipped[skip.kind] += 1
        about = f"{entry.stream} {skip.kind}"
        if about not in self._told:
            self._told.add(about)
            log.warning(
                "expected %s in every entry of %s, found in %s: %s; left out, as further ones are, counted "
                "in `skipped`", self._decoder.known, entry.stream, entry.id, skip.found,
            )  # fmt: skip

    async def _fetch(self) -> bool:
        """Read once from whichever streams answer first; False when none of them has more for now."""
        for reader in self._readers:
            if reader not in self._reads.values():
                self._reads[asyncio.create_task(reader.read(wait=self._follow))] = reader
        done, _ = await asyncio.wait(
            self._reads,
            return_when=asyncio.FIRST_COMPLETED if self._follow else asyncio.ALL_COMPLETED,
        )
        for read in done:
            del self._reads[read]
        failed: BaseException | None = None
        for read in done:
            if (error := read.exception()) is not None:
                failed = failed or error
            else:
                self._found.extend(read.result())
        if failed is not None:
            raise failed
        return bool(self._found)
