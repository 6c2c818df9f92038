"""Reads the streams of one partition in order, and notices when something after the position is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from redis.exceptions import ResponseError

from contracts.client.connect import Patience, log
from contracts.client.errors import TrimmedError
from contracts.client.gap import BEGINNING, Gap, judge, order
from contracts.errors import BadInputError

Start: TypeAlias = Literal["new", "oldest"] | datetime

COUNT = 256
"""Entries of each stream a read: about 200 KB of bands a stream, 0.1 s of catching up."""
BLOCK_MS = 1_000
"""How long a read waits for a first entry; below every sensible socket timeout."""


def checked_start(start: object) -> None:
    """Refuse what is no start.

    Raises:
        BadInputError: it is neither "new" nor "oldest" nor a time with its UTC offset.
    """
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise BadInputError(
                f"expected a start with its UTC offset such as 2024-01-01T00:00:00Z, found "
                f"{start.isoformat()} without one"
            )
    elif start not in ("new", "oldest"):
        raise BadInputError(f"expected start to be 'new', 'oldest' or a time, found {str(start)[:80]!r}")


class Entry(NamedTuple):
    """A stream entry as it is on the server."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]


class Reader:
    """Some streams that one command may read together: of one server, or of one partition of a cluster."""

    def __init__(
        self,
        client: Any,
        streams: Sequence[str],
        patience: Patience,
        on_gap: Callable[[Gap], None] | None,
    ) -> None:
        self._client = client
        self._streams = list(streams)
        self._patience = patience
        self._on_gap = on_gap
        self._at: dict[str, str] = {}
        self._unanchored: set[str] = set()
        self._checked_after_outages = -1

    async def begin(self, position: Mapping[str, str], start: Start) -> dict[str, str]:
        """Find the first position of every stream, from `position` where it is known, by `start` elsewhere.

        Returns those to be kept: a stream read from its oldest entry has none before that entry is read.
        """
        kept = {}
        for stream in self._streams:
            if stream in position:
                kept[stream] = self._at[stream] = position[stream]
                continue
            found = await self._patience.keep_trying(partial(self._locate, stream, start))
            self._at[stream] = found or BEGINNING
            if start != "oldest":
                kept[stream] = self._at[stream]
            if not isinstance(start, datetime):
                self._unanchored.add(stream)
        return kept

    async def read(self, *, wait: bool) -> list[Entry]:
        """The next entries, in the order they were committed; none after a second without any.

        Raises:
            TrimmedError: entries after the position may be gone and nobody asked to be told.
            UnavailableError: the server refuses, or was away too long.
        """
        found = await self._patience.keep_trying(lambda: self._read(wait=wait))
        for entry in found:
            self._at[entry.stream] = entry.id
            self._unanchored.discard(entry.stream)
        return found

    async def _locate(self, stream: str, start: Start) -> str | None:
        """The id before the first entry wanted, None for the very beginning."""
        if start == "oldest":
            return None
        before = "+" if start == "new" else f"({int(start.timestamp() * 1_000)}-0"
        newest = await self._client.xrevrange(stream, max=before, count=1)
        if newest:
            return str(newest[0][0].decode())
        info = await self._info(stream) if start == "new" else None
        return None if info is None else str(info["last-generated-id"].decode())

    async def _read(self, *, wait: bool) -> list[Entry]:
        if self._checked_after_outages != self._patience.outages:
            outages = self._patience.outages
            await self._check(self._streams)
            self._checked_after_outages = outages
        places = {stream: self._at[stream] for stream in self._streams}
        answer = await self._client.xread(places, count=COUNT, block=BLOCK_MS if wait else None)
        found = {name.decode(): entries for name, entries in answer or ()}
        if found:
            await self._check(list(found))
        return _merged(self._streams, found)

    async def _check(self, streams: Sequence[str]) -> None:
        """Tell the gaps there are, after the read: an entry still there now was there when reading."""
        anchored = [stream for stream in streams if stream not in self._unanchored]
        if not anchored:
            return
        async with self._client.pipeline(transaction=False) as pipe:
            for stream in anchored:
                pipe.xrange(stream, min=self._at[stream], max=self._at[stream])
            there = await pipe.execute()
        for stream, entry in zip(anchored, there, strict=True):
            if entry:
                continue
            verdict = judge(stream, self._at[stream], await self._info(stream))
            if isinstance(verdict, Gap):
                self._tell(verdict)
            elif verdict is not None:
                log.warning(
                    "expected entry %s in %s, found that it ends at %s: the server has lost its newest "
                    "entries; going on from there", self._at[stream], stream, verdict,
                )  # fmt: skip
                self._at[stream] = verdict

    def _tell(self, gap: Gap) -> None:
        if self._on_gap is None:
            raise TrimmedError(gap)
        log.warning("%s", gap)
        self._on_gap(gap)
        if gap.oldest is None:
            self._at[gap.stream] = BEGINNING
        self._unanchored.add(gap.stream)

    async def _info(self, stream: str) -> Mapping[str, Any] | None:
        try:
            info: Mapping[str, Any] = await self._client.xinfo_stream(stream)
        except ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        return info


def _merged(streams: Sequence[str], found: Mapping[str, Sequence[tuple[bytes, Any]]]) -> list[Entry]:
    """The entries of one read by id, then stream; none from beyond where a full read was cut off.

    The records of a bar are committed at once, so its horizons come in the same read and near each other.
    """
    rows: list[tuple[tuple[tuple[int, int], int], Entry]] = []
    ends = []
    for place, stream in enumerate(streams):
        entries = found.get(stream, ())
        for entry, fields in entries:
            name = entry.decode()
            rows.append(((order(name), place), Entry(stream, name, fields or {})))
        if len(entries) >= COUNT:
            ends.append(rows[-1][0])
    rows.sort(key=lambda row: row[0])
    return [entry for key, entry in rows if not ends or key <= min(ends)]
