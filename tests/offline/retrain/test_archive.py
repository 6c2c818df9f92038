"""The archive of bars: what a worker would fold, kept beyond the stream, never twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faststream.redis.message import bDATA_KEY
from faststream.redis.parser import BinaryMessageFormatV1
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from contracts.model.candle import Candle, History
from contracts.model.grid import BAR_SECONDS
from contracts.model.intake import SymbolFold, Verdict
from contracts.topics import Topics, partition_of
from offline.retrain.archive import accepted, archive_bars, archive_folder, extended, read_archive
from offline.retrain.requests import Entry, read_request
from tests.market import START, bar_of

NOW_S = 1.79e9


def candle(at: int, close: float = 10.5) -> Candle:
    return Candle(START + at * BAR_SECONDS, 10.0, 11.0, 9.0, close, 3.0)


def entry(n: int, data: bytes) -> tuple[str, dict[bytes, bytes]]:
    return f"{int(NOW_S * 1_000) + n}-0", {b"data": data}


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([10.0, 10.5])), max_size=60))
def test_accepted_is_what_the_worker_folds(offered: list[tuple[int, float]]) -> None:
    fold, folded = SymbolFold(), []
    for at, close in offered:
        offer = fold.offer(candle(at, close))
        fold = offer.fold
        folded += [candle(at, close)] if offer.verdict is Verdict.FOLDED else []
    entries = [entry(n, bar_of("AAA", candle(*one)).to_wire()) for n, one in enumerate(offered)]
    assert [c for _, c in accepted(entries, Topics(), NOW_S, {})] == folded


def test_what_the_worker_refuses_is_no_bar_here() -> None:
    good = bar_of("AAA", candle(1))
    early = bar_of("AAA", Candle(int(NOW_S) // BAR_SECONDS * BAR_SECONDS, 10.0, 11.0, 9.0, 10.5, 3.0))
    leader = bar_of("AAA", candle(3), role="context")
    flat = {"symbol": "AAA", "open_time": "2020-01-01T16:00:00Z", "open": "10", "high": "11", "low": "9"}
    flat |= {"close": "10", "volume": "1"}
    entries = [
        entry(1, good.to_wire()),
        entry(2, b"\xff"),
        entry(3, early.to_wire()),
        entry(4, leader.to_wire()),
        entry(5, b" " * 70_000 + bar_of("AAA", candle(2)).to_wire()),
        (f"{int(NOW_S * 1_000)}-9", {name.encode(): value.encode() for name, value in flat.items()}),
    ]
    found = list(accepted(entries, Topics(), NOW_S, {}))
    assert [c.open_time for _, c in found] == [START + BAR_SECONDS, START + 4 * BAR_SECONDS]
    other = 1 - partition_of("AAA", 2)
    assert not list(accepted(entries, Topics(other, 2), NOW_S, {}))


async def test_bars_trimmed_from_the_stream_stay_and_none_comes_twice(
    embedded_url: str, tmp_path: Path
) -> None:
    redis: Any = Redis.from_url(embedded_url)
    topics = [Topics()]

    async def push(symbol: str, *numbers: int) -> None:
        for at in numbers:
            await redis.xadd("bars.4h", {"data": bar_of(symbol, candle(at)).to_wire()})

    await push("AAA", *range(3))
    await push("BBB", *range(2))
    assert await archive_bars(redis, topics, tmp_path) == 5
    assert await archive_bars(redis, topics, tmp_path) == 0
    await redis.xtrim("bars.4h", maxlen=0)
    await push("AAA", 2, 3, 5)
    assert await archive_bars(redis, topics, tmp_path) == 2
    kept = read_archive(tmp_path)
    opened = {symbol: ((one.open_time - START) // BAR_SECONDS).tolist() for symbol, one in kept.items()}
    assert opened == {"AAA": [0, 1, 2, 3, 5], "BBB": [0, 1]}
    (archive_folder(tmp_path) / "AAA.parquet").write_bytes(b"altered")
    with pytest.raises(ValueError, match=r"AAA\.parquet"):
        await archive_bars(redis, topics, tmp_path)
    await redis.aclose()


def test_a_file_is_extended_by_what_is_newer_alone() -> None:
    file, archived = _history(0, 1, 2), _history(1, 2, 4, 5)
    assert ((extended(file, archived).open_time - START) // BAR_SECONDS).tolist() == [0, 1, 2, 4, 5]
    assert extended(file, None) is file


def _history(*numbers: int) -> History:
    opened = np.array([START + at * BAR_SECONDS for at in numbers], dtype=np.int64)
    return History("AAA", opened, *(np.full(len(numbers), price) for price in (10.0, 11.0, 9.0, 10.5, 3.0)))


@given(st.dictionaries(st.sampled_from([b"data", b"id", b"at", bDATA_KEY, b"x"]), st.binary(max_size=200)))
def test_reading_a_request_never_raises(fields: dict[bytes, bytes]) -> None:
    told = read_request(Entry("alerts.retrain", "1-0", fields))
    assert isinstance(told, str)
    assert told.startswith("expected a retrain request")


async def test_a_faststream_publisher_may_ask_too() -> None:
    body = b'{"schema":"retrain/1","id":"r","at":"2026-01-01T00:00:00Z","requested_by":"a","reason":"b"}'
    envelope = await BinaryMessageFormatV1.encode(
        message=body, reply_to=None, headers=None, correlation_id="c", serializer=None
    )
    told = read_request(Entry("alerts.retrain", "1-0", {bDATA_KEY: envelope}))
    assert not isinstance(told, str)
    assert told.id == "r"
