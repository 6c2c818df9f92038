"""Which bars are folded: duplicates, conflicts, late bars, bridged and unbridgeable gaps."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model.candle import Candle
from contracts.model.features import FeatureFold
from contracts.model.grid import BAR_SECONDS
from contracts.model.intake import SymbolFold, Verdict
from contracts.model.snapshot import SnapshotError, dump_symbol, load_symbol
from contracts.model.spec import WARM_UP_BARS

from .paths import random_candles

CANDLES = random_candles(800, 21)


def folded(candles: list[Candle]) -> SymbolFold:
    fold = SymbolFold()
    for candle in candles:
        fold = fold.offer(candle).fold
    return fold


@given(age=st.integers(0, 359))
@settings(max_examples=30)
def test_a_bar_within_the_ring_is_a_duplicate_or_a_conflict(age: int) -> None:
    fold = folded(CANDLES[:400])
    before = dump_symbol(fold)
    known = CANDLES[399 - age]
    assert fold.offer(known).verdict is Verdict.DUPLICATE
    conflict = fold.offer(known._replace(volume=known.volume + 1))
    assert conflict.verdict is Verdict.CONFLICT
    assert "first told" in conflict.detail
    assert dump_symbol(conflict.fold) == before


def test_a_bar_older_than_the_ring_is_late() -> None:
    assert folded(CANDLES[:400]).offer(CANDLES[39]).verdict is Verdict.LATE


@pytest.mark.parametrize("missing", [1, 7, 12])
def test_a_short_gap_is_bridged_flat(missing: int) -> None:
    fold = folded(CANDLES[:400])
    offer = fold.offer(CANDLES[400 + missing])
    assert (offer.verdict, offer.bridged_bars, offer.restarted) == (Verdict.FOLDED, missing, False)
    assert offer.row is not None
    assert offer.fold.is_degraded
    by_hand = fold.features.copy()
    close = CANDLES[399].close
    for gap in range(missing):
        flat = Candle(CANDLES[399].open_time + (gap + 1) * BAR_SECONDS, close, close, close, close, 0.0)
        by_hand.update(flat, bridged=True)
    expected = by_hand.update(CANDLES[400 + missing])
    assert expected is not None
    assert (expected.values == offer.row.values).all()


def test_a_band_is_degraded_for_six_bars_after_a_gap() -> None:
    fold = folded(CANDLES[:400])
    states = []
    for candle in CANDLES[402:410]:
        fold = fold.offer(candle).fold
        states.append(fold.is_degraded)
    assert states == [True] * 5 + [False] * 3


def test_the_place_of_a_bridged_bar_stays_bridged() -> None:
    fold = folded(CANDLES[:400]).offer(CANDLES[402]).fold
    assert fold.offer(CANDLES[401]).verdict is Verdict.LATE


def test_a_long_gap_starts_the_symbol_anew() -> None:
    offer = folded(CANDLES[:400]).offer(CANDLES[413])
    assert offer.restarted
    assert offer.row is None
    assert offer.fold.warm_up_left == WARM_UP_BARS - 1
    fresh = FeatureFold()
    fresh.update(CANDLES[413])
    assert dump_symbol(offer.fold) == dump_symbol(SymbolFold(fresh))


@given(
    order=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    cut=st.integers(0, 400),
)
@settings(max_examples=40)
def test_repeats_and_late_bars_change_nothing(order: list[int], cut: int) -> None:
    """Law: folding a stream with repeats equals folding its running maxima."""
    base = 400
    fold = folded(CANDLES[:base])
    clean = folded(CANDLES[:base])
    newest = base - 1
    for step in order:
        index = base + step
        fold = fold.offer(CANDLES[index]).fold
        if index > newest:
            clean, newest = clean.offer(CANDLES[index]).fold, index
    assert dump_symbol(fold) == dump_symbol(clean)


@given(blob=st.binary(max_size=200), position=st.integers(0, 4_000), byte=st.integers(1, 255))
@settings(max_examples=60)
def test_altered_snapshots_are_refused_or_harmless(blob: bytes, position: int, byte: int) -> None:
    with pytest.raises(SnapshotError):
        load_symbol(blob)
    whole = dump_symbol(folded(CANDLES[:80]))
    with pytest.raises(SnapshotError):
        load_symbol(whole[: position % len(whole)])
    twisted = bytearray(whole)
    twisted[position % len(whole)] ^= byte
    with contextlib.suppress(SnapshotError):
        load_symbol(bytes(twisted)).offer(CANDLES[80])
