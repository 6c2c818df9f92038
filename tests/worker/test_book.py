"""A book restored at any moment goes on as if never put away, and rubbish is refused."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model.snapshot import SnapshotError
from tests.market import TestMarket
from tests.worker.engines import arrivals
from worker.book_snapshot import dump_book, load_book
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State


@pytest.fixture(scope="module")
def blob(market: TestMarket) -> bytes:
    state = Engine(Lineup(market.bundle)).run(State(), arrivals(market.bars(70))).state
    return dump_book(next(iter(state.books.values())))


def test_it_comes_back_byte_for_byte(blob: bytes) -> None:
    assert dump_book(load_book(blob)) == blob


@given(at=st.integers(0, 20_000), byte=st.integers(0, 255))
@settings(max_examples=60)
def test_one_altered_byte_is_refused_or_is_another_book(blob: bytes, at: int, byte: int) -> None:
    altered = bytearray(blob)
    altered[at % len(blob)] = byte
    try:
        again = load_book(bytes(altered))
    except SnapshotError:
        return
    assert load_book(dump_book(again)).label == again.label


def test_an_altered_digit_makes_no_number_that_can_not_be_kept(blob: bytes) -> None:
    """`5.388446` with an E in it is read as infinity by a JSON reader that trusts."""
    refused = 0
    for at in range(8, 8 + struct.unpack("<I", blob[4:8])[0]):
        altered = bytearray(blob)
        altered[at] = ord("E")
        try:
            dump_book(load_book(bytes(altered)))
        except SnapshotError as error:
            refused += "not finite" in str(error)
    assert refused


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity"])
def test_a_number_that_is_not_finite_is_named(blob: bytes, number: bytes) -> None:
    spoilt = re.sub(rb'(?<="step":)[0-9.]+', number, blob, count=1)
    head = struct.pack("<I", struct.unpack("<I", blob[4:8])[0] + len(spoilt) - len(blob))
    with pytest.raises(SnapshotError, match=f"not finite: {number.decode()}"):
        load_book(spoilt[:4] + head + spoilt[8:])


@pytest.mark.parametrize("cut", [0, 3, 8, 200, -8, -160])
def test_a_cut_one_is_refused(blob: bytes, cut: int) -> None:
    with pytest.raises(SnapshotError, match="expected"):
        load_book(blob[:cut])
