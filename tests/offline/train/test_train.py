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
from contracts.model.spec import FeatureSpec
from offline.calibration import CalibrationChoice
from offline.dataset import build_dataset
from offline.train import TrainPlan, TrainSettings, train, training_key, write_trained
from offline.train.cross_fit import cross_fit
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
    corrections = market.bundle.predictor.corrections(rows)
    for h, horizon in enumerate(HORIZONS):
        for level, name in enumerate(LEVEL_NAMES):
            booster = lgb.Booster(model_file=str(market.folder / "models" / f"T{horizon}_{name}.txt"))
            assert np.array_equal(corrections[:, h, level], booster.predict(rows, num_threads=1))


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


def test_each_horizon_is_trained_and_calibrated_as_planned(market: TestMarket, tmp_path: Path) -> None:
    histories = list(market.training.values())
    dataset = build_dataset(histories, FeatureSpec())
    plan = TrainPlan(
        TrainSettings(rounds=4, folds=2),
        tuned={48: TrainSettings(rounds=2, weight=0.3, median_shrink=0.9)},
        calibration={54: CalibrationChoice("mondrian_cqr"), 60: CalibrationChoice("split_cqr")},
    )
    folder = write_trained(
        tmp_path / "planned", train(dataset, plan), dataset, histories, plan, version="0.1.0"
    )
    bundle = load_bundle(folder, accelerate=False)
    assert bundle.manifest.params == plan.to_json()
    assert [head.calibrator for head in bundle.manifest.heads] == [
        "adaptive_cqr",
        "adaptive_cqr",
        "mondrian_cqr",
        "split_cqr",
    ]
    assert [(head.weight, head.median_shrink) for head in bundle.predictor.heads] == [
        (0.7, 0.5),
        (0.3, 0.9),
        (0.7, 0.5),
        (0.7, 0.5),
    ]
    trees = [
        lgb.Booster(model_file=str(folder / "models" / f"T{horizon}_q05.txt")).num_trees()
        for horizon in HORIZONS
    ]
    assert trees == [4, 2, 4, 4]


def test_the_key_tells_plans_apart_and_settings_from_none(market: TestMarket) -> None:
    histories = list(market.training.values())

    def key(plan: TrainPlan | TrainSettings) -> str:
        return training_key(histories, plan, None)

    tuned = TrainPlan(QUICK, tuned={42: replace(QUICK, rounds=9)})
    mondrian = TrainPlan(QUICK, calibration={42: CalibrationChoice("mondrian_cqr")})
    assert len({key(QUICK), key(tuned), key(mondrian)}) == 3
    assert key(TrainPlan(QUICK)) == key(QUICK)
    assert key(TrainPlan(replace(QUICK, threads=1))) == key(QUICK), "threads do not decide the result"


def test_what_training_tells_is_what_it_held_out(market: TestMarket) -> None:
    dataset = build_dataset(list(market.training.values()), market.bundle.spec)
    for fit in cross_fit(dataset, TrainPlan(QUICK), ship=False):
        told = market.bundle.manifest.metrics[f"T{fit.horizon}"]
        held = fit.held_out
        inside = (held.raw[:, 0] <= held.targets) & (held.targets <= held.raw[:, -1])
        assert told["rows"] == len(held) == np.isfinite(dataset.targets(fit.horizon)).sum()
        assert told["coverage_90_uncalibrated"] == pytest.approx(inside.mean())
        assert fit.boosters == []
        (head,) = (h for h in market.bundle.predictor.heads if h.horizon_bars == fit.horizon)
        widths = [calibrator.q_hat[0.90] for calibrator in head.calibrators.values()]
        assert told["q_hat_90"] == pytest.approx(np.mean(widths))
        for number, name in enumerate(dataset.symbols):
            assert np.array_equal(head.empirical[name], fit.empirical[number])
