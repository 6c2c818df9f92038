"""Cells: a Latin square, scored as the shipped correction would be."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInputError
from contracts.model.grid import LEVELS, MEDIAN
from contracts.model.quantiles import correct
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.hpo import CellGrid, CellPool, Score, TunedSettings, latin_rungs
from offline.hpo.space import SHRINKS, WEIGHTS
from offline.market import MarketSpec, simulate
from offline.metrics import pinball
from offline.split import purged_kfold
from offline.train import TrainSettings
from offline.train.boosters import Cell, fit_levels, predict_levels
from offline.train.empirical import shrunken_quantiles
from tests.market import START
from tests.offline.hpo.tiny import market


@given(st.integers(2, 12))
def test_every_rung_holds_each_fold_once_and_levels_evenly(folds: int) -> None:
    rungs = latin_rungs(folds)
    for rung in rungs:
        assert [fold for fold, _ in rung] == list(range(folds))
        counts = Counter(level for _, level in rung)
        assert max(counts.values()) - min(counts[level] for level in range(5)) <= 1
    assert len(set(chain.from_iterable(rungs))) == folds * len(LEVELS)


def test_a_rung_of_few_folds_sees_both_tails_or_the_middle() -> None:
    for rung in latin_rungs(3):
        levels = [level for _, level in rung]
        assert max(levels) - min(levels) >= 2


def test_a_score_is_the_pinball_of_the_correction_on_rows_not_trained_on() -> None:
    """Recomputed with the training code's own fits, splits, empirical quantiles, correction and loss."""
    histories = simulate(MarketSpec(), ("AAA", "BBB"), 900, START, seed=5).histories
    dataset = build_dataset(list(histories.values()), FeatureSpec())
    settings = TrainSettings(rounds=7, learning_rate=0.1)
    with CellPool(2) as pool:
        losses = CellGrid(dataset, 42).all_rungs(TunedSettings(rounds=7, learning_rate=0.1), pool)
    targets = dataset.targets(42)
    known = np.flatnonzero(np.isfinite(targets))
    w, s = 1, 2
    standardised, log_return = [], []
    for fold in purged_kfold(dataset.close_time[known], 42, 5):
        train, test = known[fold.train_idx], known[fold.test_idx]
        empirical = shrunken_quantiles(targets[train], dataset.symbol[train], 2)
        base = empirical[dataset.symbol[train]]
        boosters = fit_levels(Cell("", dataset.rows[train], targets[train], settings, base))
        moves = predict_levels(boosters, dataset.rows[test])
        bands = correct(empirical[dataset.symbol[test]], moves, WEIGHTS[w], SHRINKS[s])
        loss = pinball(targets[test], bands)
        standardised.append(loss.mean())
        log_return.append((loss * (dataset.sigma[test] * math.sqrt(42))[:, None]).mean())
    score = Score.at(losses, w, s)
    assert score.pinball_standardised == pytest.approx(np.mean(standardised), rel=1e-12)
    assert score.pinball == pytest.approx(np.mean(log_return), rel=1e-12)
    best = Score.best(losses)
    assert best.pinball_standardised == min(
        Score.at(losses, i, j).pinball_standardised for i in range(len(WEIGHTS)) for j in range(len(SHRINKS))
    )


def test_threads_and_order_do_not_change_a_cell() -> None:
    dataset, _ = market()
    grid = CellGrid(dataset, 42)
    settings = TunedSettings(rounds=5, bagging_fraction=0.5, feature_fraction=0.5, lambda_l2=3.0)
    with CellPool(1) as one, CellPool(3) as three:
        last = grid.rung(settings, 4, one)
        first = grid.all_rungs(settings, three)
    assert [c.standardised.tolist() for c in last] == [c.standardised.tolist() for c in first[-5:]]


def test_default_tuned_settings_train_the_default_models() -> None:
    stream = np.random.default_rng(0)
    rows, targets = stream.standard_normal((500, 4)), stream.standard_normal(500)
    base = np.tile(np.quantile(targets, LEVELS), (500, 1))

    def fitted(settings: TrainSettings) -> list[lgb.Booster]:
        return fit_levels(Cell("", rows, targets, settings, base))

    plain, tuned = (fitted(s(rounds=5)) for s in (TrainSettings, TunedSettings))
    assert np.array_equal(predict_levels(plain, rows), predict_levels(tuned, rows))
    bagged = TunedSettings(bagging_fraction=0.5).lightgbm(LEVELS[MEDIAN], 500)
    assert bagged["bagging_freq"] == 1, "without it LightGBM ignores the fraction"
    assert isinstance(fitted(TunedSettings(rounds=5).proxy())[0], lgb.Booster)


@pytest.mark.parametrize("n_bars", [300, 420, 700])
def test_too_short_a_history_is_told(n_bars: int) -> None:
    histories = tuple(simulate(MarketSpec(), ("AAA",), n_bars, START, seed=5).histories.values())
    with pytest.raises(ValueError, match="expected"):
        CellGrid(build_dataset(histories, FeatureSpec()), 60)
    if n_bars > 361:
        with pytest.raises(BadInputError, match="use more history"):
            CellGrid(build_dataset(histories, FeatureSpec()), 60)
