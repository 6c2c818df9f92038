"""Evidence: results of another model, damaged files and forged reports are not believed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import BadInputError
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.gates import (
    about_this_bundle,
    load_policy,
    read_gates,
    read_results,
    read_search,
)
from offline.gates.signoff import refuse_unready
from offline.validate import CpcvSettings, WalkForwardSettings, validate
from tests.market import QUICK, START, SYMBOLS, TRAINING_BARS, TestMarket
from tests.offline.gates.evidence import (
    Spoil,
    check,
    good_results,
    overall,
    save,
    statuses,
)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t["settings"]["train"].update(rounds=9), "training settings differ in rounds"),
        (lambda t: t["settings"]["train"].update(hpo=True), "training settings differ in hpo"),
        (lambda t: t.update(leader="BBB"), "leader BBB, of the bundle AAA"),
        (lambda t: t["bars"]["AAA"].update(sha256="0" * 64), "the same span with other values"),
        (
            lambda t: t["bars"]["AAA"].update(sha256="0" * 64, first_open_time="2019-12-31T00:00:00Z"),
            "they begin at 2020-01-01 and 2019-12-31",
        ),
        (
            lambda t: t["bars"]["BBB"].update(
                sha256="0" * 64, last_open_time="2020-03-01T00:00:00Z", bars=361
            ),
            "more than 31 days never validated",
        ),
        (
            lambda t: t["bars"]["BBB"].update(sha256="0" * 64, last_open_time="2021-03-01T00:00:00Z", bars=9),
            "not the same history",
        ),
    ],
    ids=["settings", "new setting", "leader", "values", "first bar", "never validated", "count"],
)
def test_results_of_another_model_are_refused(spoil: Spoil, told: str, verdict: Any) -> None:
    report = verdict(spoil)
    assert statuses(report)["cv_quality"] == statuses(report)["out_of_sample"] == "fail"
    assert told in check(report, "cv_quality", "about_this_bundle")["detail"]
    assert check(report, "out_of_sample", "coverage_90")["status"] == "unknown"
    assert {kpi["value"] for kpi in report["kpis"] if kpi["source"] == "results"} == {None}
    assert report["symbols"] == {}
    assert report["go"] is False


def test_an_earlier_cut_is_accepted_and_told(verdict: Any) -> None:
    def spoil(told: dict[str, Any]) -> None:
        told["bars"]["AAA"].update(sha256="0" * 64, last_open_time="2021-03-01T00:00:00Z", bars=2_400)

    about = check(verdict(spoil), "cv_quality", "about_this_bundle")
    assert about["status"] == "pass"
    assert "AAA: trained on bars to 2020-08-21 04:00, validated to 2021-03-01 00:00" in about["detail"]
    assert "not provable" in about["detail"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (overall("pinball", math.nan), "NaN, which JSON has no text for"),
        (overall("coverage_90", 1.4), "expected coverage_90 from 0 to 1"),
        (lambda t: t.update(schema="validation/9"), "validation/9"),
        (lambda t: t["cpcv"]["horizons"]["T42"].update(pinball=0.001), "which follows from the folds"),
        (lambda t: t["overall"]["T42"].pop("BBB"), "'BBB'"),
        (lambda t: t["overall"]["T42"]["pooled"].pop("mae"), "overall.T42.pooled.mae"),
    ],
    ids=["NaN", "impossible", "schema", "mean forged", "symbol missing", "score missing"],
)
def test_damaged_results_are_bad_input(spoil: Spoil, told: str, market: TestMarket, tmp_path: Path) -> None:
    results = good_results(market.bundle.manifest)
    spoil(results)
    with pytest.raises(BadInputError, match=told):
        read_results(save(results, tmp_path / "results.json"))


def test_a_real_validation_is_read_and_is_about_the_bundle(market: TestMarket, tmp_path: Path) -> None:
    columns = ("open_time", "open", "high", "low", "close", "volume")
    histories = [
        History(
            s,
            *(np.concatenate([getattr(market.training[s], c), getattr(market.live[s], c)]) for c in columns),
        )
        for s in SYMBOLS
    ]
    validate(
        histories,
        tmp_path,
        settings=WalkForwardSettings(None, 90, START + TRAINING_BARS * BAR_SECONDS),
        train_settings=QUICK,
        leader="AAA",
        horizons=(42,),
        cpcv=CpcvSettings(2, 1, 42),
    )
    _, results = read_results(tmp_path / "results.json")
    about = about_this_bundle(market.bundle.manifest, results, 31)
    assert about.status == "pass", about.detail
    assert results.cpcv is not None
    assert results.cpcv.horizons["T42"].pinball is not None
    assert results.overall["T42"]["pooled"].coverage_90.value is not None


class TestReadBack:
    """Whoever acts on a report believes it only as far as it agrees with itself."""

    @pytest.fixture
    def report(self, verdict: Any) -> Any:
        return verdict()

    def read(self, report: dict[str, Any], tmp_path: Path, market: TestMarket) -> Any:
        results = report["sources"]["results"]["sha256"]
        return read_gates(save(report, tmp_path / "gates.json"), market.bundle.sha256, results)[1]

    def test_an_honest_one(self, report: Any, tmp_path: Path, market: TestMarket) -> None:
        assert self.read(report, tmp_path, market).go is True

    @pytest.mark.parametrize(
        "forge",
        [
            lambda r: r["gates"][0]["checks"][0].update(status="fail"),
            lambda r: r["gates"][2].update(status="fail"),
            lambda r: r["gates"].pop(),
            lambda r: r["decision"].update(asked=4),
        ],
        ids=["check", "gate", "gate gone", "asked"],
    )
    def test_a_verdict_that_does_not_follow(
        self, forge: Spoil, report: Any, tmp_path: Path, market: TestMarket
    ) -> None:
        forge(report)
        with pytest.raises(BadInputError, match="was altered"):
            self.read(report, tmp_path, market)

    def test_about_another_bundle(self, report: Any, tmp_path: Path, market: TestMarket) -> None:
        report["bundle"]["sha256"] = "0" * 64
        with pytest.raises(BadInputError, match="found one about 000000000000"):
            self.read(report, tmp_path, market)


def test_search_results_are_judged_beside_the_folds(verdict: Any, tmp_path: Path) -> None:
    told = {"schema": "hpo/1", "horizon_bars": 42, "best_pinball": 0.06}
    save(told, tmp_path / "hpo" / "best_params_T=42.json")
    report = verdict(searched=read_search(tmp_path / "hpo"))
    assert check(report, "cv_quality", "searched_pinball", "T42")["missed_by"] == pytest.approx(0.01)
    assert check(report, "cv_quality", "searched_pinball", "T48")["status"] == "unknown"
    assert report["sources"]["hpo"][0]["file"] == "best_params_T=42.json"
    save({**told, "horizon_bars": 48}, tmp_path / "hpo" / "best_params_T=42.json")
    with pytest.raises(BadInputError, match="expected horizon_bars 42"):
        read_search(tmp_path / "hpo")


def test_a_consistent_forgery_is_not_signed(verdict: Any, tmp_path: Path, market: TestMarket) -> None:
    """The report agrees with itself and names the right files, but not with what is in them."""
    report = verdict(overall("calibration_error", 0.04))
    for one in report["gates"][1]["checks"]:
        one["status"] = "pass"
    report["gates"][1]["status"], report["go"] = "pass", True
    digest = report["sources"]["results"]["sha256"]
    _, told = read_gates(save(report, tmp_path / "forged.json"), market.bundle.sha256, digest)
    _, results = read_results(tmp_path / "results.json")
    policy = load_policy(tmp_path / "gates.toml").policy
    with pytest.raises(BadInputError, match="out_of_sample is fail by these results, the report says pass"):
        refuse_unready(market.bundle.manifest, results, told, policy)
