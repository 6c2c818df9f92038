"""A choice of calibrator: read as a person reads it, refused when it means nothing, the same after JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.model.conformal import WINDOWS_DAYS, calibrator_methods
from offline.calibration import CANDIDATES, CalibrationChoice
from offline.calibration.choice import DEFAULT_STEP


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        (CalibrationChoice(), f"adaptive_cqr step {DEFAULT_STEP}"),
        (CalibrationChoice("adaptive_cqr", step=0.01), "adaptive_cqr step 0.01"),
        (CalibrationChoice("rolling_cqr", window_days=365), "rolling_cqr 365 days"),
        (CalibrationChoice("split_cqr"), "split_cqr"),
        (CalibrationChoice("mondrian_cqr"), "mondrian_cqr"),
        (CalibrationChoice("two_speed_cqr"), "two_speed_cqr step 0.0001"),
        (CalibrationChoice("mondrian_adaptive_cqr", step=0.001), "mondrian_adaptive_cqr step 0.001"),
    ],
)
def test_a_choice_says_its_method_and_parameter(choice: CalibrationChoice, label: str) -> None:
    assert choice.label == label


def test_every_registered_method_can_be_chosen_and_is_compared() -> None:
    methods = {method for method in calibrator_methods() if not method.startswith("test_")}
    assert {choice.method for choice in CANDIDATES} == methods
    assert {choice.window_days for choice in CANDIDATES} - {None} == set(WINDOWS_DAYS)
    assert len({choice.label for choice in CANDIDATES}) == len(CANDIDATES)
    assert CalibrationChoice() in CANDIDATES, "what ships without a comparison is among the compared"


@pytest.mark.parametrize("choice", CANDIDATES, ids=lambda choice: choice.label)
def test_it_is_the_same_after_json(choice: CalibrationChoice) -> None:
    assert CalibrationChoice.from_json(json.loads(json.dumps(choice.to_json()))) == choice


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"method": "magic"}, r"expected a calibration method of split_cqr.*found 'magic'"),
        ({"method": "rolling_cqr"}, "expected window_days for rolling_cqr, found none"),
        ({"method": "rolling_cqr", "window_days": 31}, r"expected window_days of \(30, .*found 31"),
        ({"method": "rolling_cqr", "window_days": 30, "step": 0.1}, r"found \['step', 'window_days'\]"),
        ({"method": "split_cqr", "step": 0.003}, r"expected no parameter for split_cqr, found \['step'\]"),
        ({"method": "mondrian_cqr", "window_days": 30}, "expected no parameter for mondrian_cqr"),
        ({"window_days": 30}, "expected step for adaptive_cqr"),
        ({"method": "two_speed_cqr", "window_days": 30}, "expected step for two_speed_cqr"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        CalibrationChoice(**given)


@pytest.mark.parametrize("change", [{"method": None}, {"steps": 0.003}])
def test_other_fields_in_a_file_are_refused(change: dict[str, Any]) -> None:
    told = CalibrationChoice().to_json() | change
    if told["method"] is None:
        del told["method"]
    with pytest.raises(ValueError, match="expected method, window_days and step"):
        CalibrationChoice.from_json(told)
