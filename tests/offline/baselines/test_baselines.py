"""One contract for every baseline, and the figures peers are known to reach."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import WARM_UP_BARS
from offline.baselines import Baseline, EwmaEcdf, HarRv
from offline.baselines.calendar import segments
from offline.ingest import read_bars
from offline.labels import forward_returns
from offline.market import MarketSpec, simulate
from offline.metrics import hits, pinball, width, winkler

BASELINES: list[Baseline] = [HarRv(), EwmaEcdf()]
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def bars() -> History:
    return simulate(MarketSpec(), ["BTC"], 3_000, 0, seed=8).histories["BTC"]


def take(history: History, keep: NDArray[np.bool_]) -> History:
    return History(history.symbol, *(getattr(history, name)[keep] for name in COLUMNS))


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda b: b.name)
class TestEveryBaseline:
    def test_the_future_changes_nothing(self, baseline: Baseline, bars: History) -> None:
        until = int(bars.open_time[1_999]) + BAR_SECONDS
        stream = np.random.default_rng(0)
        order = np.concatenate([np.arange(2_000), 2_000 + stream.permutation(1_000)])
        factor = np.where(np.arange(3_000) < 2_000, 1.0, 7.0)
        prices = [getattr(bars, name)[order] * factor for name in COLUMNS[1:]]
        other = History("BTC", bars.open_time, *prices)
        past = take(bars, np.arange(3_000) < 2_000)
        fitted = baseline.fit(bars, 42, until)
        assert fitted == baseline.fit(other, 42, until) == baseline.fit(past, 42, until)
        for history in (other, past):
            np.testing.assert_array_equal(
                fitted.quantiles(history)[:2_000], fitted.quantiles(bars)[:2_000], strict=True
            )
        assert fitted != baseline.fit(other, 42, until + BAR_SECONDS)

    def test_quantiles_are_ordered_and_warm_up_is_the_models(self, baseline: Baseline, bars: History) -> None:
        q = baseline.fit(bars, 42, int(bars.open_time[-1])).quantiles(bars)
        assert q.shape == (3_000, 5)
        assert np.isnan(q[: WARM_UP_BARS - 1]).all()
        assert (np.diff(q[WARM_UP_BARS - 1 :], axis=1) > 0).all()

    def test_missing_bars_are_bridged_and_long_gaps_start_anew(
        self, baseline: Baseline, bars: History
    ) -> None:
        keep = np.ones(3_000, dtype=bool)
        keep[1_000:1_007] = keep[2_000:2_020] = False
        gappy = take(bars, keep)
        q = np.full((3_000, 5), np.nan)
        q[keep] = baseline.fit(gappy, 42, int(bars.open_time[-1])).quantiles(gappy)
        assert np.isfinite(q[1_007:2_000]).all()
        assert np.isnan(q[2_000 : 2_020 + WARM_UP_BARS - 1]).all()
        assert np.isfinite(q[2_020 + WARM_UP_BARS - 1 :]).all()

    def test_it_covers_a_simulated_market(self, baseline: Baseline) -> None:
        bars = simulate(MarketSpec(), ["ETH"], 20_000, 0, seed=5).histories["ETH"]
        q = baseline.fit(bars, 42, int(bars.open_time[12_000])).quantiles(bars)[12_000:]
        y = forward_returns(bars, 42)[12_000:]
        assert 0.85 < np.nanmean(hits(y, q)) < 0.95
        assert 0.42 < np.nanmean(hits(y, q, 0.5)) < 0.58

    def test_a_frozen_market_is_no_crash(self, baseline: Baseline) -> None:
        price = np.full(2_000, 100.0)
        times = BAR_SECONDS * np.arange(2_000)
        frozen = History("USDC", times, price, price, price, price, price)
        q = baseline.fit(frozen, 42, int(times[-1])).quantiles(frozen)
        assert (q[WARM_UP_BARS:] == 0).all()

    def test_too_little_history_is_refused(self, baseline: Baseline, bars: History) -> None:
        with pytest.raises(ValueError, match=f"500 closed labels of BTC to fit {baseline.name}, found 0"):
            baseline.fit(bars, 42, 0)
        assert np.isnan(baseline.fit(bars, 42, 10**9).quantiles(take(bars, np.arange(3_000) < 1))).all()


def test_the_worker_bridges_by_the_same_rule(bars: History) -> None:
    keep = np.ones(3_000, dtype=bool)
    keep[100:112] = keep[200:213] = False
    first, second = segments(take(bars, keep))
    assert (first.rows, second.rows) == (slice(0, 188), slice(188, 2_975))
    assert len(first.returns) == 200
    assert (first.returns[100:112] == 0).all()
    assert first.returns[112] == pytest.approx(np.log(bars.close[112] / bars.close[99]))


# peers.md, T = 42, 2022 to 2024, refits each January and July:
# pinball, coverage 90, coverage 50, width 90, Winkler 90, Winkler 50.
PEERS = {
    ("BTC", "har-rv"): (0.01894, 0.911, 0.543, 0.2813, 0.3941, 0.1884),
    ("BTC", "ewma-ecdf"): (0.01888, 0.895, 0.504, 0.2558, 0.3908, 0.1878),
    ("ETH", "har-rv"): (0.02358, 0.921, 0.537, 0.3686, 0.4725, 0.2357),
    ("ETH", "ewma-ecdf"): (0.02339, 0.885, 0.480, 0.3203, 0.4621, 0.2341),
    ("SOL", "har-rv"): (0.03698, 0.910, 0.543, 0.5182, 0.7301, 0.3693),
    ("SOL", "ewma-ecdf"): (0.03696, 0.873, 0.481, 0.4549, 0.7430, 0.3674),
}


@pytest.mark.parametrize(("coin", "name"), PEERS)
def test_the_reference_figures_are_reproduced(real_bars: Path, coin: str, name: str) -> None:
    baseline = next(b for b in BASELINES if b.name == name)
    history = read_bars(real_bars / f"binance_{coin}USDT_4h.parquet").history
    closes = history.open_time + BAR_SECONDS
    years = [(y, m) for y in (2022, 2023, 2024) for m in (1, 7)] + [(2025, 1)]
    cuts = [int(datetime(y, m, 1, tzinfo=UTC).timestamp()) for y, m in years]
    q = np.full((len(history), 5), np.nan)
    for start, stop in pairwise(cuts):
        now = (closes >= start) & (closes < stop)
        q[now] = baseline.fit(history, 42, start).quantiles(history)[now]
    y = forward_returns(history, 42)
    scored = np.isfinite(y) & np.isfinite(q[:, 0])
    y, q = y[scored], q[scored]
    assert len(y) == 6_535
    ours = (
        pinball(y, q).mean(),
        hits(y, q).mean(),
        hits(y, q, 0.5).mean(),
        width(q).mean(),
        winkler(y, q).mean(),
        winkler(y, q, 0.5).mean(),
    )
    np.testing.assert_allclose(ours, PEERS[coin, name], rtol=6e-4)
