"""A challenger judged from the streams of a real server: read in pieces, again, trimmed, with holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.errors import BadInputError
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from offline.shadow import Ledger, compare, ledger_file, load_ledger, refresh, save_ledger
from tests.offline.shadow.streams import Played

PAIR = ("1.0.0-aaaaaaaaaaaa", "1.1.0-bbbbbbbbbbbb")
BARS = 700
UNSETTLED = 66
"""Bars whose longest label has not closed and settled: 60 and a day."""


@pytest.fixture
def client(embedded_url: str) -> Iterator[Any]:
    with Redis.from_url(embedded_url) as client:
        yield client


def read(client: Any) -> Ledger:
    ledger = Ledger(*PAIR)
    refresh(ledger, client)
    return ledger


def test_a_champion_far_too_narrow_loses_its_place(client: Any) -> None:
    Played(client).play(BARS)
    told = compare(read(client))
    assert told.verdict == "win"
    assert told.peak_win >= 20
    assert told.peak_lose < 20
    assert told.bars == BARS - UNSETTLED
    assert told.cells == 4 * told.bars
    assert told.independent == -(-told.bars // 60)
    assert told.gain is not None
    assert 0.1 < told.gain.value < 0.4
    assert told.champion_coverage_90 is not None
    assert told.challenger_coverage_90 is not None
    assert told.champion_coverage_90 < 0.6 < told.challenger_coverage_90
    assert told.left_out == {}


def test_the_other_way_round_it_loses(client: Any) -> None:
    Played(client, champion_width=1.0, challenger_width=0.3).play(BARS)
    told = compare(read(client))
    assert told.verdict == "lose"
    assert told.peak_win < 20


def test_equal_bands_decide_nothing(client: Any) -> None:
    Played(client, champion_width=1.0).play(200)
    told = compare(read(client))
    assert told.verdict == "undecided"
    assert told.peak_win <= 1.0


def test_symbols_that_the_challenger_serves_for_real_count_alike(client: Any) -> None:
    Played(client, symbols=("AAA", "BBB")).play(200)
    before = compare(read(client))
    client.flushall()
    Played(client, symbols=("AAA", "BBB"), served_by_challenger=("BBB",)).play(200)
    split = compare(read(client))
    assert split.cells == before.cells
    assert split.e_win == pytest.approx(before.e_win, rel=1e-12)


def test_read_in_pieces_twice_or_from_a_kept_file_is_the_same(client: Any, tmp_path: Path) -> None:
    played = Played(client)
    for bars in (10, 100, 1, 189):
        played.play(bars)
        ledger = load_ledger(tmp_path, *PAIR)
        refresh(ledger, client)
        save_ledger(ledger, tmp_path)
    kept = load_ledger(tmp_path, *PAIR)
    whole = read(client)
    assert kept.rows == whole.rows
    assert compare(kept) == compare(whole)
    kept.cursors.clear()
    refresh(kept, client)
    assert kept.rows == whole.rows


def test_trimming_takes_no_evidence_back_and_a_gap_is_counted(client: Any) -> None:
    played = Played(client, maxlen=100)
    ledger = Ledger(*PAIR)
    for _ in range(8):
        played.play(50)
        refresh(ledger, client)
    assert compare(ledger).bars == 400 - UNSETTLED
    assert not ledger.left_out["trimmed"]
    late = read(client)
    assert compare(late).bars < 100
    played.play(150)
    refresh(ledger, client)
    assert ledger.left_out["trimmed"] == 12 * 50, "twelve streams of 150 new entries, 100 kept"


def test_a_trimmed_beginning_is_told_when_its_time_is_known(client: Any) -> None:
    Played(client, maxlen=100).play(300)
    ledger = Ledger(*PAIR)
    refresh(ledger, client, since_ms=1)
    assert ledger.left_out["trimmed"] > 0


def test_bars_without_a_label_or_a_pair_are_left_out_and_counted(client: Any) -> None:
    played = Played(client, missing=frozenset({150}))
    played.play(100)
    client.xadd(Topics().outcomes(42), {"data": b"not json"})
    shadows = {horizon: client.xrevrange(Topics().shadow(horizon), count=1)[0][0] for horizon in HORIZONS}
    for horizon, entry in shadows.items():
        client.xdel(Topics().shadow(horizon), entry)
    played.play(200)
    told = compare(read(client))
    assert told.left_out == {"unpaired": 4, "unresolved": 4, "unreadable": 1}
    assert told.bars == 300 - UNSETTLED - 1
    assert told.cells == 4 * (300 - UNSETTLED) - 8


def test_other_pairs_do_not_count(client: Any) -> None:
    Played(client, challenger="1.2.0-cccccccccccc").play(120)
    told = compare(read(client))
    assert (told.bars, told.verdict, told.first, told.gain) == (0, "undecided", None, None)


def test_a_server_that_lost_everything_starts_anew_without_counting_twice(client: Any) -> None:
    played = Played(client)
    played.play(200)
    ledger = read(client)
    bars = compare(ledger).bars
    client.flushall()
    Played(client).play(250)
    refresh(ledger, client)
    assert compare(ledger).bars == bars + 50
    assert all(row.n == 4 for _, row in ledger.settled())


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    ledger_file(tmp_path, *PAIR).write_text("{}")
    with pytest.raises(BadInputError, match="move the file away"):
        load_ledger(tmp_path, *PAIR)
