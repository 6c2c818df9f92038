"""The plan: what is tuned wins for its horizon, folds and threads are everyone's."""

from __future__ import annotations

import pytest

from contracts.model.grid import HORIZONS
from offline.calibration import CalibrationChoice
from offline.train import TrainPlan, TrainSettings

DEFAULT = TrainSettings(rounds=8, folds=3, threads=2)
TUNED = TrainSettings(rounds=33, learning_rate=0.05, weight=0.4, folds=9, threads=7, seed=11)
MONDRIAN = CalibrationChoice("mondrian_cqr")


def test_tuned_settings_win_but_for_folds_and_threads() -> None:
    plan = TrainPlan(DEFAULT, tuned={54: TUNED})
    found = plan.settings(54)
    assert (found.rounds, found.learning_rate, found.weight, found.seed) == (33, 0.05, 0.4, 11)
    assert (found.folds, found.threads) == (plan.folds, plan.threads) == (3, 2)
    assert [plan.settings(horizon) for horizon in (42, 48, 60)] == [DEFAULT] * 3


def test_a_silent_horizon_is_calibrated_adaptively() -> None:
    plan = TrainPlan(calibration={48: MONDRIAN})
    assert plan.choice(48) == MONDRIAN
    assert [plan.choice(h).method for h in (42, 54, 60)] == ["adaptive_cqr"] * 3


def test_the_manifest_tells_settings_and_calibration_by_horizon() -> None:
    told = TrainPlan(DEFAULT, tuned={54: TUNED}, calibration={48: MONDRIAN}).to_json()
    assert list(told) == [f"T{horizon}" for horizon in HORIZONS]
    assert [one["tuned"] for one in told.values()] == [False, False, True, False]
    assert [one["rounds"] for one in told.values()] == [8, 8, 33, 8]
    assert [one["folds"] for one in told.values()] == [3] * 4
    assert [one["calibration"]["method"] for one in told.values()] == [
        "adaptive_cqr",
        "mondrian_cqr",
        "adaptive_cqr",
        "adaptive_cqr",
    ]
    assert all("threads" not in one for one in told.values()), "threads do not decide the result"


def test_a_plan_comes_of_settings_of_a_plan_or_of_nothing() -> None:
    plan = TrainPlan(DEFAULT, tuned={54: TUNED})
    assert TrainPlan.of(plan) is plan
    assert TrainPlan.of(DEFAULT) == TrainPlan(DEFAULT)
    assert TrainPlan.of(None) == TrainPlan() == TrainPlan(TrainSettings())


@pytest.mark.parametrize(
    "what", [{"tuned": {43: TUNED}}, {"calibration": {43: MONDRIAN}}, {"searches": {43: {}}}]
)
def test_an_unknown_horizon_is_refused(what: dict[str, dict[int, object]]) -> None:
    with pytest.raises(ValueError, match=r"expected horizons among \(42, 48, 54, 60\), found \[43\]"):
        TrainPlan(DEFAULT, **what)  # type: ignore[arg-type]
