"""Training: reproducible to the byte, verified against LightGBM, blind to what comes after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from contracts.model.bundle import load_bundle
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES
from contracts.model.predictor import Head
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.market import MarketSpec, simulate
from offline.train import TrainSettings, train, training_key, write_trained
from tests.market import QUICK, START, TRAINING_BARS, TestMarket


def test_training_twice_gives_the_same_bytes(market: TestMarket, tmp_path: Path) -> None:
    histories = list(market.training.values())
    dataset = build_dataset(histories, market.bundle.spec)
    again = write_trained(
        tmp_path / "again", train(dataset, QUICK), dataset, histories, QUICK, version="0.1.0-test"
    )
    assert load_bundle(again).sha256 == market.bundle.sha256


def test_the_forest_is_the_models_in_the_folder(market: TestMarket) -> None:
    rows = build_dataset(list(market.training.values()), market.bundle.spec).rows[::37]
    learned = market.bundle.predictor.learned(rows)
    for h, horizon in enumerate(HORIZONS):
        for level, name in enumerate(LEVEL_NAMES):
            booster = lgb.Booster(model_file=str(market.folder / "models" / f"T{horizon}_{name}.txt"))
            assert np.array_equal(learned[:, h, level], booster.predict(rows, num_threads=1))


def test_bars_after_the_cut_change_nothing(market: TestMarket) -> None:
    cut = START + TRAINING_BARS * BAR_SECONDS
    with_future = [
        History(
            symbol,
            *(
                np.concatenate((getattr(market.training[symbol], name), getattr(market.live[symbol], name)))
                for name in ("open_time", "open", "high", "low", "close", "volume")
            ),
        )
        for symbol in market.training
    ]
    cut_again = [history.between(None, cut) for history in with_future]
    assert training_key(cut_again, QUICK, "AAA") == training_key(list(market.training.values()), QUICK, "AAA")
    assert training_key(with_future, QUICK, "AAA") != training_key(cut_again, QUICK, "AAA")


def test_states_continue_where_training_stopped(market: TestMarket) -> None:
    for symbol, fold in market.bundle.states.items():
        assert fold.last_open_time == int(market.training[symbol].open_time[-1])
        assert fold.offer(market.live[symbol].candles()[0]).row is not None


def test_too_little_history_is_refused(market: TestMarket) -> None:
    short = [h.between(None, START + 420 * BAR_SECONDS) for h in market.training.values()]
    dataset = build_dataset(short, FeatureSpec())
    with pytest.raises(ValueError, match="expected"):
        train(dataset, TrainSettings(folds=3))


def test_threads_do_not_change_the_result(market: TestMarket) -> None:
    dataset = build_dataset(list(market.training.values()), market.bundle.spec)
    one, two = (train(dataset, TrainSettings(rounds=4, folds=2, threads=t)) for t in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert a.metrics == b.metrics
        assert [x.model_to_string() for x in a.boosters] == [x.model_to_string() for x in b.boosters]


def test_no_half_of_the_blend_is_scored_on_labels_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving the labels of one fold moves only what the other fold is scored with."""
    history = simulate(MarketSpec(), ["SIM"], 1_600, START, seed=2).histories["SIM"]
    dataset = build_dataset([history], FeatureSpec())
    seen: list[np.ndarray] = []
    real = Head.standardised

    def spy(self: Head, learned: np.ndarray) -> np.ndarray:
        seen.append(self.empirical)
        return real(self, learned)

    monkeypatch.setattr(Head, "standardised", spy)
    plan = TrainSettings(rounds=2, folds=2)
    train(dataset, plan)
    before = [e.copy() for e in seen]
    seen.clear()
    returns = dataset.returns.copy()
    returns[len(returns) // 2 + 100 :] += 5.0
    train(replace(dataset, returns=returns), plan)
    moved = [not np.array_equal(a, b) for a, b in zip(before, seen, strict=True)]
    # Fold 0 is scored by what fold 1 taught, and the reverse: moving fold 1's labels moves only fold 0's.
    assert moved == [True, False] * 4
