"""The four gates: what passes, what fails and by how much."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.model.bundle import BundleError
from offline.gates import (
    Inference,
    Source,
    examine,
    look_up,
    write_report,
)
from tests.market import TestMarket
from tests.offline.gates.evidence import (
    Spoil,
    check,
    folds,
    good_inference,
    overall,
    statuses,
)


def test_three_gates_suffice_and_the_fourth_says_what_is_missing(verdict: Any) -> None:
    report = verdict()
    assert statuses(report) == {
        "cv_quality": "pass",
        "out_of_sample": "pass",
        "technical": "pass",
        "production": "fail",
    }
    assert report["go"] is True
    assert "no drift thresholds" in check(report, "production", "drift_thresholds")["detail"]
    one = check(report, "out_of_sample", "coverage_90", "T42")
    assert (one["value"], one["n_effective"], one["threshold"]) == (0.90, 50, "0.87 to 0.93")
    assert one["interval_inside"] is True
    ic = next(kpi for kpi in report["kpis"] if kpi["name"] == "ic")
    assert (ic["status"], ic["reason"]) == ("unknown", "the median is constant")
    assert report["symbols"]["T60"]["BBB"]["value"] == 0.90


def test_the_same_evidence_gives_the_same_bytes_without_folders(verdict: Any, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        write_report(verdict(), tmp_path / name)
    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "two.json").read_text()
    assert str(tmp_path) not in text
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("spoil", "gate", "name", "missed_by"),
    [
        (overall("coverage_90", 0.85), "out_of_sample", "coverage_90", 0.02),
        (overall("coverage_50", 0.56), "out_of_sample", "coverage_50", 0.03),
        (overall("calibration_error", 0.04), "out_of_sample", "calibration_error", 0.01),
        (overall("winkler_90_to_har_rv", 1.1), "out_of_sample", "winkler_90_to_har_rv", 0.1),
    ],
    ids=["coverage 90", "coverage 50", "calibration", "sharpness"],
)
def test_one_horizon_outside_fails_its_gate(
    spoil: Spoil, gate: str, name: str, missed_by: float, verdict: Any
) -> None:
    report = verdict(spoil)
    assert statuses(report)[gate] == "fail"
    assert check(report, gate, name, "T54")["missed_by"] == pytest.approx(missed_by)
    assert check(report, gate, name, "T42")["status"] == "pass"
    assert report["go"] is False
    assert report["decision"]["reasons"] == ["2 of 4 gates pass, asked are 3"]


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (((0.06, 1.0, 0.9), (0.07, 1.0, 0.9)), "pinball"),
        (((0.02, 0.8, 0.9), (0.02, 1.0, 0.9)), "variance_between_folds"),
        (((0.02, 1.0, 0.99), (0.02, 1.0, 0.97)), "coverage_90"),
    ],
)
def test_folds_outside_mean_no_go_whatever_else_passes(rows: Any, name: str, verdict: Any) -> None:
    def spoil(told: dict[str, Any]) -> None:
        told["cpcv"]["horizons"]["T48"] = folds(rows)

    report = verdict(spoil)
    assert check(report, "cv_quality", name, "T48")["status"] == "fail"
    assert "cv_quality must always pass, and is fail" in report["decision"]["reasons"]


def test_what_was_not_validated_is_unknown_never_passed(verdict: Any) -> None:
    assert statuses(verdict(lambda told: told.update(cpcv=None)))["cv_quality"] == "unknown"
    report = verdict(lambda told: told["overall"].pop("T60"))
    assert check(report, "out_of_sample", "coverage_90", "T60")["status"] == "unknown"
    assert report["go"] is False


def test_bands_of_infinite_width_are_missed(verdict: Any) -> None:
    def spoil(told: dict[str, Any]) -> None:
        told["windows"][0]["scores"]["T42"]["pooled"]["n"] = 1_500

    assert check(verdict(spoil), "out_of_sample", "scored_share", "T42")["status"] == "fail"


def test_a_damaged_bundle_fails_and_is_named(market: TestMarket, verdict: Any, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(market.folder, folder)
    model = folder / "models" / "T48_q50.txt"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    report = verdict(examined=examine(folder))
    assert "sha256" in check(report, "technical", "bundle_verifies")["detail"]
    assert str(tmp_path) not in json.dumps(report)
    assert report["go"] is False
    with pytest.raises(BundleError, match="bands train"):
        examine(tmp_path / "nowhere")


def test_a_model_that_is_not_in_the_forest_is_found(market: TestMarket, verdict: Any, tmp_path: Path) -> None:
    """Hashes agree, the text reads, but it is not what serves."""
    folder = tmp_path / "bundle"
    shutil.copytree(market.folder, folder)
    shutil.copyfile(folder / "models" / "T60_q95.txt", folder / "models" / "T42_q05.txt")
    examined = replace(examine(market.folder), folder=folder)
    found = check(verdict(examined=examined), "technical", "models_well_formed")
    assert found["status"] == "fail"
    assert "T42_q05 answers otherwise" in found["detail"]


def test_speed_of_another_bundle_proves_nothing(verdict: Any) -> None:
    other = (Source("i.json", "0" * 64), Inference.from_json(good_inference("1" * 64)))
    found = check(verdict(inference=other), "production", "latency_ms", "T42")
    assert (found["status"], found["detail"]) == ("unknown", "the inference file is about another bundle")


def test_slow_heavy_and_unwatched_is_told(market: TestMarket, verdict: Any) -> None:
    told = good_inference(market.bundle.sha256)
    told["horizons"]["T42"]["p95_ms"] = 1_500
    told["memory_mb"] = math.inf
    report = verdict(inference=(Source("i.json", "0" * 64), Inference.from_json(told)), exposed=["x"])
    assert check(report, "production", "latency_ms", "T42")["missed_by"] == 500
    assert check(report, "production", "memory_mb")["status"] == "unknown"
    assert "bands_ready" in check(report, "production", "metrics_endpoint")["detail"]


def test_a_registry_that_is_not_there_is_an_answer(verdict: Any, tmp_path: Path) -> None:
    for uri in (f"sqlite:///{tmp_path / 'none.db'}", "http://user:secret@127.0.0.1:9"):
        registered = look_up(uri, "0" * 64, timeout_s=1)
        report = verdict(registered=registered)
        assert check(report, "technical", "registry_answers")["status"] == "fail"
        assert check(report, "production", "artifacts_versioned")["status"] == "unknown"
        assert "secret" not in json.dumps(report)
    assert not (tmp_path / "none.db").exists()
