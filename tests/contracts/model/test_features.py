"""The feature fold: against the slow oracle, free of scale, finite, and the same after a restore."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model.candle import Candle, violation
from contracts.model.features import FeatureFold, FeatureRow
from contracts.model.grid import BAR_SECONDS
from contracts.model.intake import SymbolFold
from contracts.model.snapshot import dump_symbol, load_symbol
from contracts.model.spec import BASE_FEATURES, BASE_NAMES, WARM_UP_BARS, FeatureSpec

from .paths import START, random_candles
from .slow_features import features as slow_features
from .slow_features import sigma as slow_sigma
from .slow_features import volatility_ratio as slow_ratio


def told(row: FeatureRow) -> np.ndarray:
    """All of a row but its time."""
    return np.append(row.values, (row.sigma, row.volatility_ratio))


def fold_all(candles: list[Candle]) -> list[np.ndarray]:
    fold = FeatureFold()
    rows = [fold.update(candle) for candle in candles]
    return [told(row) for row in rows if row is not None]


def test_the_published_set_has_33_documented_features() -> None:
    assert len(BASE_NAMES) == len(set(BASE_NAMES)) == 33
    assert all(f.formula and f.unit and f.source and f.window_bars > 0 for f in BASE_FEATURES)


@pytest.mark.parametrize("seed", range(4))
def test_every_feature_equals_its_written_formula(seed: int) -> None:
    candles = random_candles(420 + seed * 57, seed)
    fold = FeatureFold()
    row = None
    for candle in candles:
        row = fold.update(candle)
    assert row is not None
    assert row.sigma == pytest.approx(slow_sigma(candles), rel=1e-11)
    assert row.volatility_ratio == pytest.approx(slow_ratio(candles), rel=1e-11)
    assert row.close_time == candles[-1].open_time + BAR_SECONDS
    expected = slow_features(candles)
    for name, value in zip(BASE_NAMES, row.values, strict=True):
        assert value == pytest.approx(expected[name], rel=1e-7, abs=1e-9), name


def test_the_first_row_comes_with_bar_361() -> None:
    fold = FeatureFold()
    silent = [fold.update(candle) is None for candle in random_candles(WARM_UP_BARS + 1, 3)]
    assert silent == [True] * (WARM_UP_BARS - 1) + [False, False]


@given(price=st.sampled_from([1e-7, 0.3, 1e6]), unit=st.sampled_from([1e-6, 1.0, 1e9]))
@settings(max_examples=9)
def test_rows_do_not_depend_on_the_price_or_size_of_the_coin(price: float, unit: float) -> None:
    usual = fold_all(random_candles(400, 11, price=100.0, unit=50.0))
    scaled = fold_all(random_candles(400, 11, price=100.0 * price, unit=50.0 * unit))
    np.testing.assert_allclose(scaled, usual, rtol=1e-6, atol=1e-8)


PRICES = st.floats(1e-18, 1e18)


@st.composite
def wild_candle(draw: st.DrawFn) -> tuple[float, float, float, float, float]:
    low, a, b, high = sorted(draw(st.tuples(PRICES, PRICES, PRICES, PRICES)))
    start, end = (a, b) if draw(st.booleans()) else (b, a)
    volume = draw(st.one_of(st.just(0.0), st.floats(0, 1e18)))
    return start, high, low, end, volume


@given(wild=st.lists(wild_candle(), min_size=1, max_size=12), flat=st.booleans())
@settings(max_examples=60)
def test_rows_are_finite_whatever_valid_bars_come(
    wild: list[tuple[float, float, float, float, float]], flat: bool
) -> None:
    calm = [c._replace(open=7.0, high=7.0, low=7.0, close=7.0, volume=0.0) for c in random_candles(361, 5)]
    candles = calm if flat else random_candles(361, 5)
    fold = FeatureFold()
    for candle in candles:
        fold.update(candle)
    for index, prices in enumerate(wild):
        candle = Candle(START + (361 + index) * BAR_SECONDS, *prices)
        assert violation(candle) is None
        row = fold.update(candle)
        assert row is not None
        assert np.isfinite(row.values).all(), dict(zip(BASE_NAMES, row.values, strict=True))
        for positive in (row.sigma, row.volatility_ratio):
            assert math.isfinite(positive)
            assert positive > 0


@given(cut=st.integers(1, 460), seed=st.integers(0, 3))
@settings(max_examples=40)
def test_a_restored_fold_continues_bit_for_bit(cut: int, seed: int) -> None:
    candles = random_candles(470, seed)
    through = SymbolFold()
    for candle in candles[:cut]:
        through = through.offer(candle).fold
    restored = load_symbol(dump_symbol(through))
    assert dump_symbol(restored) == dump_symbol(through)
    for candle in candles[cut:]:
        ahead, again = through.offer(candle), restored.offer(candle)
        through, restored = ahead.fold, again.fold
        assert (ahead.row is None) == (again.row is None)
        if ahead.row is not None and again.row is not None:
            assert ahead.row.values.tobytes() == again.row.values.tobytes()
            assert ahead.row[1:] == again.row[1:]


def test_a_fold_never_sees_the_future() -> None:
    candles = random_candles(450, 8)
    other = candles[:400] + [c._replace(high=c.high * 2, volume=c.volume + 5) for c in candles[400:]]
    first, second = fold_all(candles), fold_all(other)
    known = 400 - WARM_UP_BARS + 1
    assert all((a == b).all() for a, b in zip(first[:known], second[:known], strict=True))
    assert not (first[known] == second[known]).all()


def test_a_copy_is_independent() -> None:
    fold = FeatureFold()
    candles = random_candles(400, 2)
    for candle in candles[:390]:
        fold.update(candle)
    twin = fold.copy()
    for candle in candles[390:]:
        fold.update(candle)
    rows = [twin.update(candle) for candle in candles[390:]]
    last = fold_all(candles)[-1]
    assert rows[-1] is not None
    assert (told(rows[-1]) == last).all()


def test_the_hash_tells_feature_sets_apart() -> None:
    plain, with_btc, with_eth = (FeatureSpec(leader=x).sha256 for x in (None, "BTCUSDT", "ETHUSDT"))
    assert len({plain, with_btc, with_eth}) == 3
    assert FeatureSpec().sha256 == plain
