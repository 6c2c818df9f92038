"""`bands explain`: a band taken apart to the last digit, and every kind of missing band in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from contracts.errors import BadInputError
from contracts.events import DeadLetter
from contracts.events.band import NoBandReason
from contracts.events.dead import DeadReason
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES, iso
from contracts.topics import Topics
from ops.audit.anatomy import contributions
from ops.audit.explain import Explained, explain
from ops.audit.letters import about
from ops.audit.reasons import DEAD, NO_BAND
from ops.audit.served import Served, read_served
from ops.cli import explain as command
from tests.behaviour.harness import wait_in_effect
from tests.market import TestMarket, bar_of
from tests.ops.audited import a_worker
from tests.servers import ServerProcess

pytestmark = pytest.mark.xdist_group("explain")

TOPICS = Topics()
NOBODY = "redis://127.0.0.1:1"
BARS = 60
GAP = 20
"""Bars of BBB that never come after the first ten: more than are bridged."""


@contextmanager
def served_gap(folder: Path, market: TestMarket) -> Iterator[str]:
    """AAA without a gap, BBB with a long one, a stranger and three refused entries."""
    server = ServerProcess("valkey", folder / "server")
    server.start()
    try:
        with a_worker(server.url, folder, market.folder), server.client() as client:
            for bar in market.bars(BARS):
                late = bar.candle.open_time - int(market.live["BBB"].open_time[0])
                if bar.symbol == "BBB" and 10 <= late // BAR_SECONDS < 10 + GAP:
                    continue
                client.xadd(TOPICS.bars, {"data": bar.to_wire()})
            fourth = market.live["AAA"].candles()[3]
            conflict = bar_of("AAA", fourth._replace(volume=1.0))
            broken = json.dumps({**json.loads(conflict.to_wire()), "symbol": "BBB", "high": 0.0})
            stranger = bar_of("ZZZ", fourth)
            last = b""
            for data in (b"rubbish", conflict.to_wire(), broken, stranger.to_wire()):
                last = client.xadd(TOPICS.bars, {"data": data})
            wait_in_effect(client, last.decode())
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Iterator[str]:
    with served_gap(tmp_path_factory.mktemp("gap"), market) as found:
        yield found


@pytest.fixture(scope="module")
def served(url: str) -> Served:
    with Redis.from_url(url) as client:
        return read_served(client, TOPICS)


def opened(market: TestMarket, number: int, symbol: str = "AAA") -> int:
    return int(market.live[symbol].open_time[number])


def told(served: Served, market: TestMarket, symbol: str, moment: int | None, horizon: int = 42) -> Explained:
    return explain(served, symbol, moment, horizon, {market.bundle.sha256: market.folder})


@pytest.mark.parametrize(("number", "horizon"), [(5, 60), (50, 42), (BARS - 1, 54)])
def test_a_band_is_taken_apart_to_what_was_served(
    served: Served, market: TestMarket, number: int, horizon: int
) -> None:
    found = told(served, market, "AAA", opened(market, number), horizon)
    one, record = found.anatomy, found.record
    assert record is not None
    assert record.returns is not None
    assert record.prices is not None
    assert one is not None
    assert one.equal
    assert one.returns == tuple(record.returns.model_dump().values())
    assert one.prices == tuple(record.prices.model_dump().values())
    assert one.sigma == record.sigma
    assert np.allclose(one.contributions.sum(axis=0), one.correction, atol=1e-9)
    assert np.allclose(np.array(one.issued) * one.unit, one.returns)
    assert tuple(name for name, _, _ in one.features) == market.bundle.spec.names
    assert all(0 <= rank <= 100 for _, _, rank in one.features)
    assert (found.matched, found.role) == ("open time", "champion")
    assert found.learnt == max(0, number - horizon + 1)
    assert (found.outcome is not None) == (number + horizon < BARS)
    json.dumps(found.to_json(), allow_nan=False)


def test_the_time_of_issue_and_the_latest_are_found_too(served: Served, market: TestMarket) -> None:
    last = opened(market, BARS - 1)
    newest, by_issue = told(served, market, "AAA", None), told(served, market, "AAA", last + BAR_SECONDS)
    assert (newest.matched, by_issue.matched) == ("latest", "issue time")
    assert newest.opened == by_issue.opened == last
    assert newest.record == by_issue.record


def test_missing_bands_say_why_and_what_to_do(served: Served, market: TestMarket) -> None:
    restarted = told(served, market, "BBB", opened(market, 10 + GAP, "BBB"))
    warming = told(served, market, "BBB", opened(market, 11 + GAP, "BBB"))
    stranger = told(served, market, "ZZZ", opened(market, 3))
    found = [restarted, warming, stranger]
    assert [one.record.reason for one in found if one.record] == ["gap", "warming_up", "unknown_symbol"]
    for one in found:
        assert one.reason is not None
        assert one.anatomy is None
        assert one.to_json()["what_to_do"]
    absent = told(served, market, "BBB", opened(market, 15, "BBB"))
    assert absent.record is None
    assert f"the {GAP} missing between them" in absent.missing
    early, never = told(served, market, "AAA", 0), told(served, market, "AAA", opened(market, BARS + 9))
    assert "the first bar that came" in early.missing
    assert "Is the feed running?" in never.missing
    with pytest.raises(BadInputError, match=r"found QQQ.*AAA, BBB, ZZZ"):
        told(served, market, "QQQ", None)


def test_dead_letters_of_that_bar_are_shown(served: Served, market: TestMarket) -> None:
    fourth = told(served, market, "AAA", opened(market, 3))
    assert fourth.record is not None
    assert fourth.record.is_band
    assert [one.reason for one in fourth.letters] == ["conflict"]
    refused = told(served, market, "BBB", opened(market, 3, "BBB"))
    assert [one.reason for one in refused.letters] == ["invalid_bar"]


def test_a_refused_bar_without_a_record_is_told_as_such(served: Served, market: TestMarket) -> None:
    kept = dict(served.outputs)
    letter = DeadLetter.of("invalid_bar", "nonsense", "7-0", {b"symbol": b"DDD", b"open_time": b"14400"})
    kept[TOPICS.dead] = replace(kept[TOPICS.dead], entries=(("7-0", letter.to_wire()),))
    found = told(replace(served, outputs=kept), market, "DDD", 28_800)
    assert (found.matched, found.record, len(found.letters)) == ("issue time", None, 1)
    assert "refused" in found.missing


@pytest.mark.parametrize(
    ("fields", "bar"),
    [
        ({b"data": b'{"symbol": "A", "open_time": "2024-01-01T00:00:00Z"}'}, ("A", 1_704_067_200)),
        ({b"symbol": b"A", b"open_time": b"1704067200"}, ("A", 1_704_067_200)),
        ({b"data": b"rubbish"}, None),
        ({b"data": b"[1]"}, None),
        ({b"\xff": b"\x00"}, None),
        ({}, None),
    ],
)
def test_what_a_letter_is_about_is_read_where_it_can_be(
    fields: dict[bytes, bytes], bar: tuple[str, int] | None
) -> None:
    assert about(DeadLetter.of("invalid_bar", "", "1-0", fields)) == bar


def test_without_its_bundle_the_record_is_still_shown(served: Served, market: TestMarket) -> None:
    found = explain(served, "AAA", opened(market, 4), 42, {})
    assert found.record is not None
    assert market.bundle.sha256 in found.why_not


def test_a_record_the_server_let_go_of_is_told_again(served: Served, market: TestMarket) -> None:
    kept = served.outputs[TOPICS.bands(48)]
    outputs = {**served.outputs, TOPICS.bands(48): replace(kept, entries=kept.entries[30:])}
    wanted = told(served, market, "AAA", opened(market, 6), 48)
    found = told(replace(served, outputs=outputs), market, "AAA", opened(market, 6), 48)
    assert found.record == wanted.record
    assert "recomputed" in found.source
    assert found.anatomy is not None
    assert found.anatomy.equal


def test_contributions_of_other_models_are_refused(market: TestMarket) -> None:
    inputs = np.zeros(len(market.bundle.spec.names))
    with pytest.raises(RuntimeError, match="add up"):
        contributions(market.folder, 42, inputs, np.full(len(LEVEL_NAMES), 9.0))


def test_every_reason_has_its_words() -> None:
    assert set(NO_BAND) == set(NoBandReason.__args__)  # type: ignore[attr-defined]
    assert set(DEAD) == set(DeadReason.__args__)  # type: ignore[attr-defined]


def test_the_command_shows_it_in_a_hundred_columns(url: str, market: TestMarket, tmp_path: Path) -> None:
    words = ["AAA", iso(opened(market, 40)), "--bundle", str(market.folder), "--redis-url", url]
    line = [sys.executable, "-m", "ops.cli", "explain", *words]
    env = {"COLUMNS": "100", "PATH": "/usr/bin:/bin"}
    shown = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=env)
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "…" not in shown.stdout
    for words_ in ("the very quantiles served", "adaptive_cqr", "leader_vol_of_vol_180", "as open time"):
        assert words_ in shown.stdout


def test_the_command_answers_machines_and_refuses_strangers(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command.run("BBB", redis_url=url, as_json=True)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["record"]["reason"] == "warming_up"
    assert datetime.fromisoformat(answer["open_time"]).tzinfo == UTC
    for symbol, horizon, server, code in (("QQQ", 42, url, 3), ("AAA", 7, url, 3), ("AAA", 42, NOBODY, 4)):
        with pytest.raises(SystemExit) as stopped:
            command.run(symbol, horizon=horizon, redis_url=server, as_json=True)
        assert stopped.value.code == code
