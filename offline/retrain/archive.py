"""The bars that have flowed, kept in the workspace beyond what the stream keeps.

One parquet file per symbol; it only ever grows, and is whole at any moment. Every pass reads the whole
stream again, so nothing but the files themselves needs to be remembered, and a lost pass is made up for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from redis.asyncio import Redis

from contracts.connect import beside
from contracts.events import Bar
from contracts.model.candle import Candle, History
from contracts.model.grid import close_time
from contracts.topics import Topics, partition_of
from offline.ingest import read_bars, write_bars
from offline.retrain.job import RETRAIN
from offline.retrain.wire import MAX_ENTRY_BYTES, Fields, message_of, size_of

PAGE = 1_000
CLOCK_TOLERANCE_S = 5
EARLIEST_CREDIBLE_MS = 1_230_768_000_000
"""These two as the worker's: what it refuses is no bar here either."""


def archive_folder(workspace: Path) -> Path:
    """Where the archive lies."""
    return workspace / RETRAIN / "bars"


def read_archive(workspace: Path) -> dict[str, History]:
    """Every archived symbol's bars.

    Raises:
        BarFileError: a file was altered and can not be read.
    """
    folder = archive_folder(workspace)
    histories = (read_bars(file).history for file in sorted(folder.glob("*.parquet")))
    return {history.symbol: history for history in histories}


async def archive_bars(redis: Redis, topics: Sequence[Topics], workspace: Path) -> int:
    """Add the accepted bars of every partition's stream that are newer than the archive; how many.

    Raises:
        RedisError: the server can not be reached; what was there stays.
        BarFileError: a file of the archive was altered and can not be read.
        OSError: a file can not be written; it is as it was.
    """
    fresh: dict[str, list[Candle]] = {}
    await redis.initialize()  # a cluster's client knows no node before its first command
    for one in topics:
        now_s = float((await redis.time(**beside(redis, one.bars)))[0])
        known = {symbol: int(h.open_time[-1]) for symbol, h in read_archive(workspace).items()}
        after = "-"
        while page := await _page(redis, one.bars, after):
            for symbol, candle in accepted(page, one, now_s, known):
                fresh.setdefault(symbol, []).append(candle)
            after = f"({page[-1][0]}"
    _append(workspace, fresh)
    return sum(map(len, fresh.values()))


def accepted(
    entries: Iterable[tuple[str, Fields]], topics: Topics, now_s: float, newest: dict[str, int]
) -> Iterable[tuple[str, Candle]]:
    """The bars a worker would fold, in order; `newest` (open time by symbol) moves along.

    A bar is folded when it is valid, closed, in its own partition and newer than the symbol's last: all
    that is not is a duplicate, a conflict or late, the very rule of `SymbolFold.offer`.
    """
    for entry, fields in entries:
        bar = _read(entry, fields, now_s)
        if bar is None or bar.role == "context":
            continue
        if partition_of(bar.symbol, topics.partitions) != topics.partition:
            continue
        opened = bar.candle.open_time
        if opened > newest.get(bar.symbol, -1):
            newest[bar.symbol] = opened
            yield bar.symbol, bar.candle


def extended(history: History, archived: History | None) -> History:
    """A file's bars, and those of the archive that are newer than its last.

    A stretch that neither holds stays missing, for the gap rule to judge.
    """
    if archived is None:
        return history
    newer = archived.between(close_time(int(history.open_time[-1])), None)
    columns = ("open_time", "open", "high", "low", "close", "volume")
    both = (np.concatenate((getattr(history, name), getattr(newer, name))) for name in columns)
    return History(history.symbol, *both)


async def _page(redis: Any, stream: str, after: str) -> list[tuple[str, Fields]]:
    rows = await redis.xrange(stream, min=after, max="+", count=PAGE)
    return [(entry.decode(), fields) for entry, fields in rows]


def _read(entry: str, fields: Fields, now_s: float) -> Bar | None:
    if size_of(fields) > MAX_ENTRY_BYTES:
        return None
    try:
        bar = message_of(Bar, fields)
    except (ValidationError, UnicodeDecodeError, OverflowError):
        return None  # in bars.dead, with its reason
    arrived_ms = int(entry.split("-")[0])
    if arrived_ms >= EARLIEST_CREDIBLE_MS:
        now_s = min(now_s, arrived_ms / 1_000)
    return bar if close_time(bar.candle.open_time) <= now_s + CLOCK_TOLERANCE_S else None


def _append(workspace: Path, fresh: Mapping[str, Sequence[Candle]]) -> None:
    known = read_archive(workspace)
    for symbol, candles in fresh.items():
        opened, *prices = (np.array(column) for column in zip(*candles, strict=True))
        new = History(symbol, opened.astype(np.int64), *(column.astype(np.float64) for column in prices))
        whole = extended(known[symbol], new) if symbol in known else new
        write_bars(whole, archive_folder(workspace) / f"{symbol}.parquet")
