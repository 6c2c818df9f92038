"""The production package: complete, reproducible, whole or absent."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import load_bundle
from offline.package import Package, PackageInputs, build_package, verify_package
from tests.market import TestMarket
from tests.offline.gates.evidence import save

NAME = "production_v1.0.0-hpo"


def test_everything_is_where_it_is_looked_for(package: Package, market: TestMarket) -> None:
    assert package.folder.name == NAME
    found = {
        path.relative_to(package.folder).as_posix() for path in package.folder.rglob("*") if path.is_file()
    }
    assert {
        "README.md",
        "manifest.json",
        "requirements.txt",
        "calibrators/calibrators.json",
        "calibrators/calibration_optimal.json",
        "configs/bands.toml",
        "configs/gates.toml",
        "configs/best_params_T=42.json",
        "scripts/start.sh",
        "scripts/verify.py",
        "docs/README.md",
        "docs/results.json",
        "docs/quality_gates_report.json",
        "docs/approvals.jsonl",
    } <= found
    assert load_bundle(package.folder / "models").sha256 == market.bundle.sha256
    readme = (package.folder / "README.md").read_text()
    assert "Release status: go; signed by architect." in readme
    assert "$" not in readme
    assert os.access(package.folder / "scripts" / "start.sh", os.X_OK)


def test_made_again_it_is_the_same_to_the_byte(
    inputs: PackageInputs, package: Package, tmp_path: Path
) -> None:
    again = build_package(inputs, "1.0.0-hpo", tmp_path)
    assert again.archive.read_bytes() == package.archive.read_bytes()
    assert again.is_new
    assert not build_package(inputs, "1.0.0-hpo", tmp_path).is_new
    with tarfile.open(package.archive) as archive:
        members = archive.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "root")}
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert str(tmp_path).encode() not in gzip.decompress(again.archive.read_bytes())


def test_folder_and_archive_verify(package: Package, market: TestMarket) -> None:
    for path in (package.folder, package.archive):
        verified = verify_package(path)
        assert verified.manifest.bundle.sha256 == market.bundle.sha256
        assert verified.manifest.go is True
        assert verified.manifest.signed == ("architect",)
        assert verified.sha256 == package.sha256


def test_the_script_verifies_with_python_alone(copy: Path) -> None:
    command = [sys.executable, "-I", "-S", str(copy / "scripts" / "verify.py")]
    assert subprocess.run(command, check=False).returncode == 0
    (copy / "configs" / "bands.toml").write_text("[worker]\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "configs/bands.toml: expected sha256" in done.stderr


def _altered_bundle(inputs: PackageInputs, folder: Path) -> PackageInputs:
    shutil.copytree(inputs.bundle, folder / "bundle")
    (folder / "bundle" / "calibrators.json").write_text("{}")
    return replace(inputs, bundle=folder / "bundle")


def _results_of_another(inputs: PackageInputs, folder: Path) -> PackageInputs:
    told = json.loads((inputs.results / "results.json").read_text())
    told["leader"] = None
    return replace(inputs, results=save(told, folder / "results.json"), gates=None)


def _gates_of_other_results(inputs: PackageInputs, folder: Path) -> PackageInputs:
    told = json.loads((inputs.results / "results.json").read_text())
    return replace(inputs, results=save(told | {"note": 1}, folder / "results.json"))


def _nan_calibration(inputs: PackageInputs, folder: Path) -> PackageInputs:
    return replace(inputs, calibration=save({"q_hat": float("nan")}, folder / "calibration.json"))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_altered_bundle, "calibrators.json"),
        (_results_of_another, "leader None"),
        (_gates_of_other_results, "results file"),
        (_nan_calibration, "NaN"),
        (lambda i, _: replace(i, policy=None), "give it with --policy"),
        (lambda i, f: replace(i, hpo=f), "bands hpo"),
    ],
    ids=["bundle", "results", "gates", "NaN", "policy", "no parameters"],
)
def test_inputs_that_do_not_belong_together_write_nothing(
    harm: Any, told: str, inputs: PackageInputs, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=told):
        build_package(harm(inputs, tmp_path), "1.0.0-hpo", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_package_is_never_written_over(inputs: PackageInputs, tmp_path: Path) -> None:
    made = build_package(inputs, "1.0.0", tmp_path)
    with pytest.raises(FileExistsError, match="another --version"):
        build_package(replace(inputs, calibration=None), "1.0.0", tmp_path)
    assert verify_package(made.archive).sha256 == made.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == [made.folder.name, made.archive.name]
    with pytest.raises(BadInputError, match=r"1\.0\.0-hpo"):
        build_package(inputs, "../1.0.0", tmp_path)
