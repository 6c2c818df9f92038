"""Training rows: the worker's folds, labels by time, nothing from the future."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from contracts.model.candle import History
from contracts.model.context import LeaderTrack
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.intake import SymbolFold
from contracts.model.snapshot import dump_leader, dump_symbol
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.ingest import read_bars
from offline.market import MarketSpec, simulate

START = 1_577_836_800
MARKET = simulate(MarketSpec(), ["AAA", "BBB"], 700, START, seed=3).histories


def without(history: History, rows: list[int]) -> History:
    keep = np.ones(len(history), dtype=bool)
    keep[rows] = False
    names = ("open_time", "open", "high", "low", "close", "volume")
    return History(history.symbol, *(getattr(history, name)[keep] for name in names))


def test_rows_are_the_folds_own_and_labels_go_by_time() -> None:
    history = without(MARKET["AAA"], [450, 451, 500])
    dataset = build_dataset([history], FeatureSpec())
    fold, seen = SymbolFold(), 0
    close = dict(zip(history.open_time.tolist(), history.close.tolist(), strict=True))
    for candle in history.candles():
        offer = fold.offer(candle)
        fold = offer.fold
        if offer.row is None:
            continue
        assert dataset.close_time[seen] == candle.open_time + BAR_SECONDS
        assert dataset.rows[seen].tobytes() == offer.row.values.tobytes()
        assert dataset.sigma[seen] == offer.row.sigma
        assert dataset.volatility_ratio[seen] == offer.row.volatility_ratio
        for column, horizon in enumerate(HORIZONS):
            target = close.get(candle.open_time + horizon * BAR_SECONDS)
            label = dataset.returns[seen, column]
            if target is None:
                assert math.isnan(label)
            else:
                assert label == pytest.approx(math.log(target / candle.close), rel=1e-12)
        seen += 1
    assert seen == len(dataset)
    assert dump_symbol(dataset.states["AAA"]) == dump_symbol(fold)


def test_context_is_what_the_leaders_track_says_bar_by_bar() -> None:
    spec = FeatureSpec(leader="AAA")
    histories = {"AAA": without(MARKET["AAA"], [600]), "BBB": MARKET["BBB"]}
    dataset = build_dataset(list(histories.values()), spec)
    folds = {symbol: SymbolFold() for symbol in histories}
    track = LeaderTrack.empty()
    rows = {}
    merged = sorted((c.open_time, s, c) for s, h in histories.items() for c in h.candles())
    for open_time, symbol, candle in merged:
        offer = folds[symbol].offer(candle)
        folds[symbol] = offer.fold
        if offer.row is not None:
            context = track.before(open_time)
            if context is not None:
                rows[symbol, open_time + BAR_SECONDS] = np.concatenate((offer.row.values, context.values))
            if symbol == "AAA":
                track = track.record(open_time, offer.row)
    assert len(rows) == len(dataset)
    for index in range(len(dataset)):
        key = (dataset.symbols[dataset.symbol[index]], int(dataset.close_time[index]))
        assert dataset.rows[index].tobytes() == rows[key].tobytes(), key
    assert dump_leader(dataset.leader) == dump_leader(track)


def test_shuffling_the_future_changes_no_earlier_row() -> None:
    cut = START + 550 * BAR_SECONDS
    stream = np.random.default_rng(1)
    changed = []
    for history in MARKET.values():
        factor = np.where(history.open_time >= cut, np.exp(stream.normal(size=len(history))), 1.0)
        prices = (history.open, history.high, history.low, history.close)
        changed.append(
            History(history.symbol, history.open_time, *(p * factor for p in prices), history.volume)
        )
    spec = FeatureSpec(leader="AAA")
    first, second = build_dataset(list(MARKET.values()), spec), build_dataset(changed, spec)
    past = first.close_time <= cut
    assert past.any()
    assert (first.rows[past] == second.rows[past]).all()
    assert (first.sigma[past] == second.sigma[past]).all()
    assert not (first.rows[~past] == second.rows[~past]).all()


def test_rows_come_in_time_order_whatever_order_the_histories_have() -> None:
    spec = FeatureSpec(leader="AAA")
    first = build_dataset([MARKET["AAA"], MARKET["BBB"]], spec)
    assert (np.diff(first.close_time) >= 0).all()
    second = build_dataset([MARKET["BBB"], MARKET["AAA"]], spec)
    assert sorted(map(bytes, first.rows)) == sorted(map(bytes, second.rows))


@pytest.mark.parametrize(
    ("histories", "leader", "told"),
    [
        ([], None, "one history per symbol"),
        ([MARKET["AAA"], MARKET["AAA"]], None, "one history per symbol"),
        ([MARKET["AAA"]], "ZZZ", "leader ZZZ"),
        ([MARKET["AAA"].between(None, START + 300 * BAR_SECONDS)], None, "more than 361 bars"),
    ],
)
def test_what_can_not_be_trained_on_is_refused(
    histories: list[History], leader: str | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        build_dataset(histories, FeatureSpec(leader=leader))


def test_real_bars_give_finite_rows(real_bars: Path) -> None:
    history = read_bars(real_bars / "binance_ETHUSDT_4h.parquet").history
    dataset = build_dataset([history.between(None, int(history.open_time[5_000]))], FeatureSpec())
    assert np.isfinite(dataset.rows).all()
    # Of order one; below it here, because σ remembers the storm of 2017 for months.
    assert 0.7 < np.nanstd(dataset.targets(42)) < 1.5
