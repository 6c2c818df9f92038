"""Promise 3: whatever bytes arrive, the next good bar is served and the bad one is told with its reason."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.events import Band, Bar, DeadLetter
from contracts.events.dead import KEPT_BYTES
from contracts.topics import GROUP
from tests.behaviour.harness import STEADY, TOPICS, ServedWorker, payloads, wait_in_effect, wait_until
from tests.market import TestMarket, bar_of
from tests.servers import ServerProcess

GOOD: dict[str, Any] = {
    "schema": "bar/1",
    "symbol": "AAA",
    "open_time": "2024-01-01T00:00:00Z",
    "open": 1.0,
    "high": 2.0,
    "low": 0.5,
    "close": 1.5,
    "volume": 3.0,
}

Fields = dict[bytes, bytes]


def as_json(**changes: Any) -> Fields:
    return {b"data": json.dumps({**GOOD, **changes}).encode()}


def raw(old: bytes, new: bytes) -> Fields:
    data = as_json()[b"data"]
    assert old in data
    return {b"data": data.replace(old, new, 1)}


def flat(**changes: str) -> Fields:
    return {name.encode(): str(value).encode() for name, value in {**GOOD, **changes}.items()}


BAD: dict[str, tuple[str, Fields]] = {
    "another schema": ("schema", as_json(schema="bar/2")),
    "another schema, flat": ("schema", flat(schema="band/1")),
    "cut JSON": ("invalid_bar", {b"data": as_json()[b"data"][:-7]}),
    "no JSON": ("invalid_bar", {b"data": b"hello"}),
    "null": ("invalid_bar", {b"data": b"null"}),
    "a list": ("invalid_bar", {b"data": b"[1, 2]"}),
    "empty data": ("invalid_bar", {b"data": b""}),
    "missing close": ("invalid_bar", raw(b'"close": 1.5, ', b"")),
    "NaN": ("invalid_bar", as_json(open=float("nan"))),
    "NaN, flat": ("invalid_bar", flat(close="nan")),
    "infinity": ("invalid_bar", as_json(high=float("inf"))),
    "high below low": ("invalid_bar", as_json(high=0.25)),
    "close above high": ("invalid_bar", as_json(close=2.5)),
    "zero price": ("invalid_bar", as_json(low=0.0)),
    "negative volume": ("invalid_bar", as_json(volume=-1.0)),
    "off the grid": ("invalid_bar", as_json(open_time="2024-01-01T01:00:00Z")),
    "half a second off": ("invalid_bar", as_json(open_time="2024-01-01T00:00:00.5Z")),
    "no time zone": ("invalid_bar", as_json(open_time="2024-01-01T00:00:00")),
    "before the calendar": ("invalid_bar", as_json(open_time="0001-01-01T00:00:00+23:59")),
    "after the calendar": ("invalid_bar", as_json(open_time="9999-12-31T20:00:00-23:00")),
    "the last bar of the calendar": ("invalid_bar", as_json(open_time="9999-12-31T20:00:00Z")),
    "dated 2099": ("not_closed", as_json(open_time="2099-01-01T00:00:00Z")),
    "no symbol a market has": ("invalid_bar", as_json(symbol="../../etc/passwd")),
    "binary rubbish": ("invalid_bar", {b"data": bytes(range(256))}),
    "binary rubbish, flat": ("invalid_bar", {b"\xff\xfe": b"\x00\x80"}),
    "half a surrogate": ("invalid_bar", raw(b"AAA", b"\\ud800")),
    "five megabytes": ("oversized", {b"data": b"x" * 5_000_000}),
    "five megabytes of name": ("oversized", {b"y" * 5_000_000: b"x"}),
    "just too large": ("oversized", {b"data": b"z" * (KEPT_BYTES - 3)}),
    "as large as may be": ("invalid_bar", {b"data": b"z" * (KEPT_BYTES - 4)}),
    "a field named headers": ("invalid_bar", {b"headers": b"x"}),
    "an empty name": ("invalid_bar", {b"": b""}),
    "deep lists": ("invalid_bar", {b"data": b"[" * 30_000}),
    "deep objects": ("invalid_bar", {b"data": b'{"a":' * 10_000}),
    "before 1970": ("invalid_bar", as_json(open_time="1969-12-31T20:00:00Z")),
    "the largest number": ("invalid_bar", as_json(high=1.7e308, close=1.7e308)),
    "the smallest number": ("invalid_bar", as_json(low=5e-324)),
    "an endless volume": ("invalid_bar", as_json(volume=1e300)),
    "a huge exponent": ("invalid_bar", raw(b"1.0", b"1e999999")),
    "a huge integer": ("invalid_bar", raw(b"1.0", b"1" * 5_000)),
    "hundreds of fields": ("invalid_bar", {b"field%d" % n: b"value" for n in range(800)}),
    "a broken envelope": ("invalid_bar", {b"__data__": b"\x89BIN\r\n\x1a\n" + b"\xff" * 40}),
    "an envelope of nothing": ("invalid_bar", {b"__data__": b""}),
    "an envelope of rubbish": ("invalid_bar", {b"__data__": b'{"data": 1, "headers": [1]}'}),
    "ancient": ("late", as_json(open_time="1970-01-01T00:00:00Z")),
}


class Line:
    """One worker on a server of its own, and the market's bars to show that it still serves."""

    def __init__(self, url: str, worker: ServedWorker, market: TestMarket) -> None:
        self.client: Any = Redis.from_url(url)
        self.worker = worker
        self.market = market
        self._bars = iter(market.bars())
        self.served: list[Bar] = []

    def send(self, fields: Fields, entry: str = "*") -> str:
        parts = [part for field in fields.items() for part in field]
        return str(self.client.execute_command("XADD", TOPICS.bars, entry, *parts).decode())

    def send_good(self, entry: str = "*") -> str:
        bar = next(self._bars)
        self.served.append(bar)
        return self.send({b"data": bar.to_wire()}, entry)

    def assert_next_good_bar_is_served(self) -> None:
        before = [self.client.xlen(stream) for stream in TOPICS.all_bands]
        self.send_good()
        wait_until(
            lambda: [self.client.xlen(s) for s in TOPICS.all_bands] == [n + 1 for n in before],
            "the next good bar is served",
        )
        for stream in TOPICS.all_bands:
            ((_, fields),) = self.client.xrevrange(stream, count=1)
            band = Band.from_wire(fields[b"data"])
            assert band.is_band
            assert (band.symbol, band.open_time) == (self.served[-1].symbol, self.served[-1].open_time)

    def letter(self, entry: str) -> DeadLetter:
        """The one dead letter about `entry`."""
        wait_in_effect(self.client, entry)
        letters = [DeadLetter.from_wire(data) for data in payloads(self.client, TOPICS.dead)]
        (letter,) = [letter for letter in letters if letter.entry == entry]
        return letter


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Iterator[Line]:
    folder: Path = tmp_path_factory.mktemp("line")
    server = ServerProcess("valkey", folder / "server")
    server.start()
    with ServedWorker(server.url, folder, market.folder, **STEADY) as worker:
        worker.wait_ready()
        line = Line(server.url, worker, market)
        for _ in range(2):
            line.assert_next_good_bar_is_served()
        yield line
        assert worker.stop() == 0
    server.stop()


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_told_and_the_next_good_bar_is_served(line: Line, name: str) -> None:
    reason, fields = BAD[name]
    entry = line.send(fields)
    line.assert_next_good_bar_is_served()
    letter = line.letter(entry)
    assert letter.reason == reason
    assert letter.detail
    _assert_keeps_the_original(letter, fields)
    line.worker.wait_ready()


def _assert_keeps_the_original(letter: DeadLetter, fields: Fields) -> None:
    size = sum(len(name) + len(value) for name, value in fields.items())
    whole = b"".join(name + value for name, value in fields.items())
    assert letter.size_bytes == size
    assert letter.sha256 == hashlib.sha256(whole).hexdigest()
    assert letter.truncated == (size > KEPT_BYTES)
    kept = b""
    for field, name in zip(letter.fields, fields, strict=True):
        assert field.name == name[:KEPT_BYTES].decode("utf-8", "backslashreplace")
        value = base64.b64decode(field.base64) if field.base64 is not None else (field.text or "").encode()
        kept += name[:KEPT_BYTES] + value
    assert kept == whole[:KEPT_BYTES]


def test_an_unknown_symbol_is_answered_and_keeps_no_state(line: Line) -> None:
    candle = line.market.live["AAA"].candles()[0]
    dead = line.client.xlen(TOPICS.dead)
    entry = line.send({b"data": bar_of("ZZZ", candle).to_wire()})
    wait_in_effect(line.client, entry)
    for stream in TOPICS.all_bands:
        ((_, fields),) = line.client.xrevrange(stream, count=1)
        record = Band.from_wire(fields[b"data"])
        assert (record.symbol, record.status, record.reason) == ("ZZZ", "no_band", "unknown_symbol")
    assert line.client.xlen(TOPICS.dead) == dead
    assert not line.client.hexists(TOPICS.state, "ZZZ")
    line.assert_next_good_bar_is_served()


def test_a_changed_bar_is_a_conflict_and_a_repeated_one_is_nothing(line: Line) -> None:
    line.assert_next_good_bar_is_served()
    told = line.served[-1]
    streams = [line.client.xlen(stream) for stream in TOPICS.all_bands]
    dead = line.client.xlen(TOPICS.dead)
    wait_in_effect(line.client, line.send({b"data": told.to_wire()}))
    assert [line.client.xlen(stream) for stream in TOPICS.all_bands] == streams
    assert line.client.xlen(TOPICS.dead) == dead
    changed = told.model_copy(update={"volume": told.volume + 1.0})
    assert line.letter(line.send({b"data": changed.to_wire()})).reason == "conflict"
    line.assert_next_good_bar_is_served()


@pytest.mark.parametrize(("low", "high"), [(1e18, 1e18), (1e-18, 1e-18), (1e-18, 1e18)])
def test_the_most_extreme_prices_there_may_be_stop_nothing(
    embedded_url: str, market: TestMarket, tmp_path: Path, low: float, high: float
) -> None:
    """A valid bar of the leader, absurd as it is: every bar is answered, its own and those behind it."""
    bars = market.bars(30)
    bars[4] = Bar.model_validate(
        {**bars[4].model_dump(), "open": low, "high": high, "low": low, "close": high, "volume": high}
    )
    client: Any = Redis.from_url(embedded_url)
    with ServedWorker(embedded_url, tmp_path, market.folder) as worker:
        worker.wait_ready()
        for bar in bars:
            last = client.xadd(TOPICS.bars, {"data": bar.to_wire()}).decode()
        wait_in_effect(client, last)
        assert worker.stop() == 0
    assert client.xlen(TOPICS.dead) == 0
    for stream in TOPICS.all_bands:
        records = [Band.from_wire(data) for data in payloads(client, stream)]
        assert [(r.symbol, r.open_time) for r in records] == [(b.symbol, b.open_time) for b in bars]
    with ServedWorker(embedded_url, tmp_path, market.folder) as successor:
        successor.wait_ready()
        assert successor.stop() == 0


def test_explicit_ids_in_the_past_and_in_the_future(
    redis_url: str, market: TestMarket, tmp_path: Path
) -> None:
    with ServedWorker(redis_url, tmp_path, market.folder) as worker:
        worker.wait_ready()
        line = Line(redis_url, worker, market)
        for n, entry in enumerate(("0-1", "1-1", "1-2", "1700000000000-0", "*", "9007199254740993-0"), 1):
            wait_in_effect(line.client, line.send_good(entry))
            assert line.client.xlen("bands.T42") == n
        far = line.send(as_json(open_time="2099-01-01T00:00:00Z"), "9007199254740993-1")
        assert line.letter(far).reason == "not_closed"
        line.assert_next_good_bar_is_served()
        assert line.client.xlen(TOPICS.dead) == 1
        assert worker.stop() == 0
    assert line.client.xpending(TOPICS.bars, GROUP)["pending"] == 0
