"""Cells: a Latin square, scored as the shipped blend would be."""

from __future__ import annotations

import math
from itertools import chain

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInputError
from contracts.model.grid import LEVELS, MEDIAN
from contracts.model.quantiles import blend
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.hpo import CellGrid, CellPool, Score, TunedSettings, latin_rungs
from offline.hpo.space import SHRINKS, WEIGHTS
from offline.market import MarketSpec, simulate
from offline.metrics import pinball
from offline.split import purged_kfold
from offline.train import TrainSettings
from offline.train.boosters import Cell, fit_levels, predict_levels
from tests.market import START
from tests.offline.hpo.tiny import market


@given(st.integers(1, 9))
def test_every_rung_holds_each_fold_and_each_level_once(n: int) -> None:
    rungs = latin_rungs(n)
    for rung in rungs:
        assert sorted(fold for fold, _ in rung) == list(range(n))
        assert sorted(level for _, level in rung) == list(range(n))
    assert len(set(chain.from_iterable(rungs))) == n * n


def test_a_score_is_the_pinball_of_the_blend_on_rows_not_trained_on() -> None:
    """Recomputed with the training code's own fits, splits, blend and loss."""
    dataset, _ = market()
    settings = TrainSettings(rounds=7, learning_rate=0.1)
    with CellPool(2) as pool:
        losses = CellGrid(dataset, 42).all_rungs(TunedSettings(rounds=7, learning_rate=0.1), pool)
    targets = dataset.targets(42)
    known = np.flatnonzero(np.isfinite(targets))
    w, s = 1, 2
    standardised, log_return = [], []
    for fold in purged_kfold(dataset.close_time[known], 42, 5):
        train, test = known[fold.train_idx], known[fold.test_idx]
        learned = predict_levels(
            fit_levels(Cell("", dataset.rows[train], targets[train]), settings), dataset.rows[test]
        )
        bands = blend(learned, np.quantile(targets[train], LEVELS), WEIGHTS[w], SHRINKS[s])
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
    cell = Cell("", stream.standard_normal((500, 4)), stream.standard_normal(500))
    plain, tuned = (fit_levels(cell, s(rounds=5)) for s in (TrainSettings, TunedSettings))
    rows = cell.rows[:50]
    assert np.array_equal(predict_levels(plain, rows), predict_levels(tuned, rows))
    bagged = TunedSettings(bagging_fraction=0.5).lightgbm(LEVELS[MEDIAN], 500)
    assert bagged["bagging_freq"] == 1, "without it LightGBM ignores the fraction"
    assert isinstance(fit_levels(cell, TunedSettings(rounds=5).proxy())[0], lgb.Booster)


@pytest.mark.parametrize("n_bars", [300, 420, 700])
def test_too_short_a_history_is_told(n_bars: int) -> None:
    histories = tuple(simulate(MarketSpec(), ("AAA",), n_bars, START, seed=5).histories.values())
    with pytest.raises(ValueError, match="expected"):
        CellGrid(build_dataset(histories, FeatureSpec()), 60)
    if n_bars > 361:
        with pytest.raises(BadInputError, match="use more history"):
            CellGrid(build_dataset(histories, FeatureSpec()), 60)
