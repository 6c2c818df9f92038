from __future__ import annotations

import numpy as np
import pytest

from contracts.model.candle import violation
from contracts.model.grid import BAR_SECONDS, LEVELS
from offline.labels import forward_returns
from offline.market import MarketSpec, simulate

START = 1_577_836_800
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


def test_bars_are_bars() -> None:
    market = simulate(MarketSpec(), ["BTC", "ETH"], 2_000, START, seed=1)
    for history in market.histories.values():
        assert [violation(candle) for candle in history.candles() if violation(candle)] == []
        np.testing.assert_array_equal(np.diff(history.open_time), BAR_SECONDS)
        np.testing.assert_array_equal(history.open[1:], history.close[:-1])
        assert history.open_time[0] == START
        assert (history.high > history.low).all()


def test_a_symbol_does_not_depend_on_company_order_or_length() -> None:
    alone = simulate(MarketSpec(), ["ETH"], 500, START, seed=4)
    company = simulate(MarketSpec(), ["SOL", "ETH", "BTC"], 800, START, seed=4)
    for name in COLUMNS:
        np.testing.assert_array_equal(
            getattr(alone.histories["ETH"], name), getattr(company.histories["ETH"], name)[:500]
        )
    np.testing.assert_array_equal(alone.states["ETH"], company.states["ETH"][:500])
    other = simulate(MarketSpec(), ["ETH"], 500, START, seed=5)
    assert (other.histories["ETH"].close != alone.histories["ETH"].close).all()


def test_symbols_share_regime_and_factor() -> None:
    spec = MarketSpec()
    market = simulate(spec, ["BTC", "ETH"], 6_000, START, seed=2)
    np.testing.assert_array_equal(
        market.states["BTC"] // spec.n_vol_states, market.states["ETH"] // spec.n_vol_states
    )
    returns = [np.diff(np.log(history.close)) for history in market.histories.values()]
    assert 0.35 < np.corrcoef(returns)[0, 1] < 0.65


def test_true_quantiles_cover_what_was_simulated() -> None:
    """Over 60 symbols and 20 years in all, the oracle's coverage is right: bars and truth agree in timing."""
    spec = MarketSpec(correlation=0.0, calm_bars=60, stressed_bars=30, half_life_bars=20)
    market = simulate(spec, [f"S{k}" for k in range(60)], 730, START, seed=9)
    share = np.zeros(len(LEVELS))
    issued = slice(0, None, 7)
    counted = 0
    for symbol, history in market.histories.items():
        y = forward_returns(history, 7)[issued]
        q = market.true_quantiles(symbol, 7)[issued]
        known = np.isfinite(y)
        share += (y[known, None] <= q[known]).sum(axis=0)
        counted += int(known.sum())
    levels = np.array(LEVELS)
    # Outcomes of one symbol do not overlap and symbols share the regime only, on which truth conditions.
    assert (np.abs(share / counted - levels) < 3.5 * np.sqrt(levels * (1 - levels) / counted)).all()


def test_a_break_scales_returns_and_truth_from_its_bar_on() -> None:
    plain = simulate(MarketSpec(), ["BTC"], 400, START, seed=3)
    broken = simulate(MarketSpec(), ["BTC"], 400, START, seed=3, breaks=[(200, 2.0), (300, 0.5)])
    np.testing.assert_array_equal(broken.multiplier, np.repeat([1.0, 2.0, 1.0], [200, 100, 100]))
    before, after = (np.diff(np.log(m.histories["BTC"].close)) for m in (plain, broken))
    np.testing.assert_allclose(after, before * broken.multiplier[1:], atol=1e-12)
    np.testing.assert_allclose(
        broken.true_quantiles("BTC", 42), plain.true_quantiles("BTC", 42) * broken.multiplier[:, None]
    )


def test_it_looks_like_bitcoin() -> None:
    close = simulate(MarketSpec(), ["BTC"], 30_000, START, seed=3).histories["BTC"].close
    returns = np.diff(np.log(close))
    size = np.abs(returns)
    assert 0.4 < returns.std() * np.sqrt(2_191.5) < 1.0
    assert 6 < ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2 < 30
    assert np.corrcoef(size[:-42], size[42:])[0, 1] > 0.08
    assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.03


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="start on the 4-hour grid"):
        simulate(MarketSpec(), ["A"], 10, START + 1, seed=0)
    with pytest.raises(ValueError, match="distinct symbols"):
        simulate(MarketSpec(), ["A", "A"], 10, START, seed=0)
    with pytest.raises(ValueError, match=r"breaks at a bar in \[0, 10\)"):
        simulate(MarketSpec(), ["A"], 10, START, seed=0, breaks=[(10, 2.0)])
