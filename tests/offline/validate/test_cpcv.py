"""Cross-validation: nothing leaks between train and test, and the spread is what it says."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.model.candle import History
from contracts.model.context import LeaderTrack
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.spec import FeatureSpec
from offline.calibration import CalibrationChoice
from offline.dataset import Dataset, build_dataset
from offline.train import TrainPlan, train
from offline.validate import CpcvSettings, split_folds
from offline.validate.cpcv import _without_tested, cross_validate
from offline.validate.refit import predicted
from offline.validate.store import WindowStore
from offline.validate.windows import rows_of
from tests.offline.validate.conftest import CPCV, QUICK, Run


def dataset_at(bars: list[int]) -> Dataset:
    n = len(bars)
    times = np.array(bars, dtype=np.int64) * BAR_SECONDS
    symbol = np.zeros(n, dtype=np.int64)
    return Dataset(
        spec=FeatureSpec(),
        symbols=("A",),
        symbol=symbol,
        close_time=times,
        rows=np.zeros((n, 33)),
        sigma=np.ones(n),
        volatility_ratio=np.ones(n),
        returns=np.zeros((n, 4)),
        states={},
        leader=LeaderTrack.empty(),
        max_gap_bars=12,
    )


@settings(max_examples=50)
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


def test_folds_are_calibrated_by_split_cqr_whatever_ships(
    walked: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run planned adaptive CQR; asked for with split or Mondrian, its finished folds are the answer."""
    shutil.copytree(walked.folder / "windows", tmp_path / "windows")
    dataset = build_dataset(walked.histories, FeatureSpec(leader="AAA"))
    monkeypatch.setattr("offline.validate.cpcv.trained", lambda *_: pytest.fail("trained a fold again"))
    for method in ("split_cqr", "mondrian_cqr"):
        plan = TrainPlan(QUICK, calibration=dict.fromkeys(HORIZONS, CalibrationChoice(method)))
        store = WindowStore(tmp_path / "windows")
        told = cross_validate(dataset, walked.histories, CPCV, plan, HORIZONS, store)
        assert told == walked.validation.results["cpcv"]


def test_a_folds_calibration_widens_every_row_of_a_horizon_alike(walked: Run) -> None:
    dataset = build_dataset(walked.histories, FeatureSpec(leader="AAA"))
    labelled = rows_of(dataset, np.isfinite(dataset.returns).any(axis=1))
    fold = split_folds(labelled, CPCV)[1]
    plan = TrainPlan(QUICK, calibration=dict.fromkeys(HORIZONS, CalibrationChoice("split_cqr")))
    heads = train(rows_of(labelled, fold.train_idx), plan)
    _, raw = predicted(heads, labelled, fold.test_idx)
    (file,) = (walked.folder / "windows").glob("cpcv-2-*.window")
    key = file.read_bytes().split(b" ", 2)[1].decode()
    arrays = WindowStore(file.parent).load("cpcv-2", key)
    assert arrays is not None
    for h, head in enumerate(heads):
        first, second = head.head.calibrators.values()
        assert first == second
        unit = labelled.sigma[fold.test_idx] * math.sqrt(HORIZONS[h])
        expected = first.interval(raw[:, h]) * unit[:, None]
        np.testing.assert_allclose(arrays["issued"][:, h], expected, rtol=1e-12)
