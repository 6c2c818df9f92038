"""Cross-fitting: a held-out row is scored by models and quantiles that never met its label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.model.quantiles import correct, rearrange
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, build_dataset
from offline.market import MarketSpec, simulate
from offline.split import purged_kfold
from offline.train import TrainPlan, TrainSettings
from offline.train.boosters import Cell, fit_levels, predict_levels
from offline.train.cross_fit import cross_fit
from offline.train.empirical import shrunken_quantiles
from tests.market import START

PLAN = TrainPlan(TrainSettings(rounds=3, learning_rate=0.2, folds=2))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    histories = simulate(MarketSpec(), ["AAA", "BBB"], 1_300, START, seed=2).histories
    return build_dataset(list(histories.values()), FeatureSpec())


def test_no_row_is_scored_by_labels_that_overlap_its_own(dataset: Dataset) -> None:
    """Moving the labels of one fold moves only the rows of the other."""
    returns = dataset.returns.copy()
    late = len(returns) // 2 + 300
    returns[late:] *= -3.0
    moved = replace(dataset, returns=returns)
    for before, after in zip(
        cross_fit(dataset, PLAN, ship=False), cross_fit(moved, PLAN, ship=False), strict=True
    ):
        known = np.flatnonzero(np.isfinite(dataset.targets(before.horizon)))
        first, second = purged_kfold(dataset.close_time[known], before.horizon, 2)
        same = (before.held_out.raw == after.held_out.raw).all(axis=1)
        assert not same[first.test_idx].any(), "scored by the fold whose labels moved"
        assert same[second.test_idx].all(), "their own labels moved, not what scored them"
        assert not np.array_equal(before.empirical, after.empirical), "what ships learns from all"


def test_held_out_quantiles_are_the_folds_own(dataset: Dataset) -> None:
    (fit,) = cross_fit(dataset, PLAN, horizons=[48])
    settings, targets = PLAN.settings(48), dataset.targets(48)
    known = np.flatnonzero(np.isfinite(targets))
    held = fit.held_out
    assert held.symbols == dataset.symbols
    for name in ("symbol", "close_time", "volatility_ratio", "sigma"):
        assert np.array_equal(getattr(held, name), getattr(dataset, name)[known])
    assert np.array_equal(held.targets, targets[known])
    for fold in purged_kfold(dataset.close_time[known], 48, 2):
        train, test = known[fold.train_idx], known[fold.test_idx]
        own = shrunken_quantiles(targets[train], dataset.symbol[train], 2)
        cell = Cell("", dataset.rows[train], targets[train], settings, own[dataset.symbol[train]])
        moves = predict_levels(fit_levels(cell), dataset.rows[test])
        expected = correct(own[dataset.symbol[test]], moves, settings.weight, settings.median_shrink)
        assert np.array_equal(held.raw[fold.test_idx], rearrange(expected))
    assert len(fit.boosters) == 5
    whole = shrunken_quantiles(targets[known], dataset.symbol[known], 2)
    assert np.array_equal(fit.empirical, whole)
    cell = Cell("", dataset.rows[known], targets[known], settings, whole[dataset.symbol[known]])
    again = predict_levels(fit_levels(cell), dataset.rows[:100])
    assert np.array_equal(predict_levels(fit.boosters, dataset.rows[:100]), again)


def test_without_weight_only_the_symbol_decides(dataset: Dataset) -> None:
    plan = TrainPlan(replace(PLAN.default, weight=0.0, median_shrink=0.0))
    (fit,) = cross_fit(dataset, plan, horizons=[60], ship=False)
    for number in range(2):
        rows = fit.held_out.raw[fit.held_out.symbol == number]
        assert len(np.unique(rows, axis=0)) == plan.folds
    assert fit.crossing_rate == 0.0


def test_too_little_history_is_told(dataset: Dataset) -> None:
    few = replace(dataset, returns=np.where(np.arange(len(dataset))[:, None] < 300, dataset.returns, np.nan))
    with pytest.raises(ValueError, match=r"expected outcomes enough for a 90 % interval, found \d+ bars"):
        cross_fit(few, PLAN)
