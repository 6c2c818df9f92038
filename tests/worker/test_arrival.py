"""What may come on the wire, and that reading it never raises."""

from __future__ import annotations

import asyncio
import json

import pytest
from faststream.redis.parser import BinaryMessageFormatV1
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Bar
from worker.arrival import CLOCK_TOLERANCE_S, MAX_ENTRY_BYTES, Refusal, read_entry

BAR = {
    "schema": "bar/1",
    "symbol": "BTCUSDT",
    "open_time": "2024-01-01T00:00:00Z",
    "open": 42283.58,
    "high": 42554.57,
    "low": 42261.02,
    "close": 42475.23,
    "volume": 1271.68,
}
LATER = 1_800_000_000.0
CLOSES = 1_704_067_200 + 4 * 3_600


def read(
    fields: dict[bytes, bytes] | None, entry: str = "1800000000000-0", now: float = LATER
) -> Bar | Refusal:
    return read_entry(entry, fields, now).content


def data(**changes: object) -> dict[bytes, bytes]:
    return {b"data": json.dumps({**BAR, **changes}).encode()}


def test_json_flat_fields_and_a_faststream_publisher_say_the_same() -> None:
    flat = {name.encode(): str(value).encode() for name, value in BAR.items()}
    bare = {name: value for name, value in flat.items() if name != b"schema"}
    sent = asyncio.run(
        BinaryMessageFormatV1.encode(
            message=Bar.model_validate(BAR).to_wire(), reply_to=None, headers={"x": "y"}, correlation_id="1"
        )
    )
    bars = [read(data()), read(flat), read(bare), read({b"__data__": sent})]
    assert bars == [Bar.model_validate(BAR)] * 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"close": float("nan")}, "close"),
        ({"close": "much"}, "found 'much'"),
        ({"high": 1.0}, "low <= high"),
        ({"low": 42500.0}, "low"),
        ({"volume": -1}, "volume >= 0"),
        ({"open": 0}, "open > 0"),
        ({"open_time": "2024-01-01T01:00:00Z"}, "4-hour grid"),
        ({"open_time": "2024-01-01T00:00:00"}, "UTC offset"),
        ({"open_time": "2024-01-01T00:00:00.5Z"}, "4-hour grid"),
        ({"open_time": None}, "open_time"),
        ({"symbol": "btc usdt"}, "symbol"),
        ({"symbol": "../../etc"}, "symbol"),
        ({"origin": "nowhere"}, "origin"),
        ({"close": 10**400}, "close"),
    ],
)
def test_a_bad_bar_is_refused_with_the_reason(change: dict[str, object], told: str) -> None:
    refusal = read(data(**change))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "invalid_bar"
    assert told in refusal.detail, refusal.detail


@pytest.mark.parametrize("schema", ["bar/2", "band/1", 7])
def test_another_schema_is_told_apart(schema: object) -> None:
    refusal = read(data(schema=schema))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "schema"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"data": b""},
        {b"data": b"{"},
        {b"data": b"\xff\xfe\x00"},
        {b"data": b"[" * 50_000},
        {b"data": b"null"},
        {b"headers": b"\x00"},
        {b"\xff": b"\xff"},
        {b"symbol": b"\xff"},
        {b"__data__": b"\x89BIN\r\n\x1a\n" + b"\xff" * 40},
        {b"__data__": b'{"data": 5}'},
    ],
)
def test_rubbish_is_refused(fields: dict[bytes, bytes]) -> None:
    refusal = read(fields)
    assert isinstance(refusal, Refusal)
    assert refusal.reason in {"invalid_bar", "schema"}
    assert refusal.detail


@given(fields=st.dictionaries(st.binary(max_size=12), st.binary(max_size=300), max_size=5))
def test_no_bytes_raise(fields: dict[bytes, bytes]) -> None:
    assert isinstance(read(fields), (Bar, Refusal))


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5)
)
def test_no_json_raises(value: object) -> None:
    for name in BAR:
        assert isinstance(read(data(**{name: value})), (Bar, Refusal))


def test_an_oversized_entry_is_refused_unread() -> None:
    refusal = read({b"data": json.dumps(BAR).encode() + b" " * MAX_ENTRY_BYTES})
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "oversized"


def test_a_trimmed_entry_is_refused() -> None:
    refusal = read(None)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "trimmed"


@pytest.mark.parametrize(
    ("entry_s", "server_s", "closed"),
    [
        (CLOSES, LATER, True),
        (CLOSES - CLOCK_TOLERANCE_S, LATER, True),
        (CLOSES - CLOCK_TOLERANCE_S - 1, LATER, False),  # read again later: judged as on arrival
        (LATER * 5, CLOSES - 60, False),  # an id set into the future does not open the gate
        (0.001, LATER, True),  # an id set by hand says nothing
        (0.001, CLOSES - 60, False),
    ],
)
def test_a_bar_counts_only_once_it_is_closed(entry_s: float, server_s: float, closed: bool) -> None:
    answer = read(data(), entry=f"{int(entry_s * 1_000)}-0", now=server_s)
    assert isinstance(answer, Bar) == closed
    if isinstance(answer, Refusal):
        assert answer.reason == "not_closed"
