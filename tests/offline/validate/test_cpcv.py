"""Cross-validation: nothing leaks between train and test, and the spread is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.model.candle import History
from contracts.model.context import LeaderTrack
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset
from offline.validate import CpcvSettings, split_folds
from offline.validate.cpcv import _without_tested
from tests.offline.validate.conftest import CPCV, Run


def dataset_at(bars: list[int]) -> Dataset:
    n = len(bars)
    times = np.array(bars, dtype=np.int64) * BAR_SECONDS
    symbol = np.zeros(n, dtype=np.int64)
    empty = LeaderTrack.empty()
    return Dataset(
        FeatureSpec(), ("A",), symbol, times, np.zeros((n, 33)), np.ones(n), np.zeros((n, 4)), {}, empty, 12
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=100, max_size=300),
    st.integers(1, 2),
    st.integers(0, 100),
)
def test_no_training_label_span_meets_a_test_label_span(
    steps: list[int], test_groups: int, embargo: int
) -> None:
    dataset = dataset_at(np.cumsum(steps).tolist())
    try:
        folds = split_folds(dataset, CpcvSettings(5, test_groups, embargo))
    except ValueError as error:
        assert str(error).startswith("expected")  # noqa: PT017 - the other way out, not the subject
        assume(False)
    issued = dataset.close_time // BAR_SECONDS
    for fold in folds:
        distance = np.abs(issued[fold.train_idx][:, None] - issued[fold.test_idx][None, :])
        assert distance.min() >= max(HORIZONS), "spans (t, t + T] share a bar when issued closer than T"


def test_har_rv_is_fitted_without_the_tested_bars() -> None:
    n = 1_000
    close = np.ones(n)
    history = History("A", np.arange(n) * BAR_SECONDS, close, close, close, close, close)
    times = history.open_time + BAR_SECONDS
    at = np.r_[200:300, 600:650]
    kept = _without_tested(history, times, at, after_bars=72).open_time // BAR_SECONDS
    assert kept.tolist() == [*range(201), *range(371, 601), *range(721, 1_000)]


def test_the_spread_is_that_of_the_ratios(walked: Run) -> None:
    told = walked.validation.results["cpcv"]
    assert told["settings"] == {"groups": 4, "test_groups": 1, "embargo_bars": 30} == CPCV.to_json()
    for horizon in HORIZONS:
        summary = told["horizons"][f"T{horizon}"]
        folds = summary["folds"]
        assert [fold["fold"] for fold in folds] == [1, 2, 3, 4]
        ratios = [f["pinball"] / f["pinball_har_rv"] for f in folds]
        assert summary["variance_between_folds"] == pytest.approx(np.std(ratios, ddof=1), rel=0.05)
        assert summary["coverage_90"] == pytest.approx(np.mean([f["coverage_90"] for f in folds]))
        assert all(0.5 < ratio < 2 for ratio in ratios)
