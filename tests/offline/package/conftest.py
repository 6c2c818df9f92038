"""Inputs that belong together, and the package made of them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offline.gates import (
    Evidence,
    Registered,
    approve,
    examine,
    judge,
    load_policy,
    read_results,
    write_report,
)
from offline.gates.production import METRICS
from offline.package import Package, PackageInputs, build_package
from tests.market import TestMarket
from tests.offline.gates.evidence import POLICY, good_results, save

NAME = "production_v1.0.0-hpo"


@pytest.fixture(scope="session")
def inputs(market: TestMarket, tmp_path_factory: pytest.TempPathFactory) -> PackageInputs:
    """A bundle with results, gates that say go, searched parameters and one sign-off."""
    home = tmp_path_factory.mktemp("inputs")
    results = save(good_results(market.bundle.manifest), home / "wf" / "results.json")
    (home / "own.toml").write_text(POLICY)
    evidence = Evidence(
        examine(market.folder), read_results(results), Registered(version="1", run="FINISHED"), METRICS
    )
    report = judge(evidence, load_policy(home / "own.toml"))
    assert report["go"]
    write_report(report, home / "gates.json")
    told = {"schema": "hpo/1", "horizon_bars": 42, "best_pinball": 0.02, "best_params": {"rounds": 8}}
    save(told, home / "hpo" / "best_params_T=42.json")
    approve(
        home / "approvals",
        role="architect",
        name="Ada Lovelace",
        time=datetime(2024, 5, 1, tzinfo=UTC),
        note="",
        bundle_sha256=market.bundle.sha256,
        results_sha256="c" * 64,
        gates_sha256="d" * 64,
    )
    return PackageInputs(
        market.folder,
        home / "wf",
        home / "hpo",
        home / "gates.json",
        home / "own.toml",
        save({"T42": "rolling"}, home / "calibration_optimal.json"),
        home / "approvals",
    )


@pytest.fixture(scope="session")
def package(inputs: PackageInputs, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return build_package(inputs, "1.0.0-hpo", tmp_path_factory.mktemp("out"))


@pytest.fixture
def copy(package: Package, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package.folder, tmp_path / NAME))
