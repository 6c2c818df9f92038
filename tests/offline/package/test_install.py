"""A package brings what a worker needs: pins, the project itself, settings."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from contracts.errors import BadInputError
from offline.package import Package
from offline.package.requirements import pins
from ops.settings import Settings


def test_the_requirements_are_all_that_a_worker_loads(package: Package) -> None:
    code = (
        "import sys; from importlib import import_module; import_module('ops.cli.worker');"
        "import_module('worker.service'); print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    owners = packages_distributions()
    loaded = {canonicalize_name(one) for name in done.stdout.split() for one in owners.get(name, ())}
    text = (package.folder / "requirements.txt").read_text()
    pinned = {line.partition("==")[0] for line in text.splitlines() if "==" in line}
    assert {"faststream", "redis", "typer"} <= loaded
    # The environment itself loads setuptools before the first line; FastStream and anyio take the other two
    # where something else has brought them.
    assert loaded - pinned <= {"quant-bands", "setuptools", "orjson", "sniffio"}
    # The registry's client runs in a child process.
    assert {"mlflow-skinny", "sqlalchemy", "alembic"} <= pinned
    assert not {"lightgbm", "pandas", "mlflow", "numba", "plotly"} & pinned


def test_the_wheel_installs_and_is_this_project(package: Package, tmp_path: Path) -> None:
    (wheel,) = (package.folder / "wheels").iterdir()
    assert f"./wheels/{wheel.name}" in (package.folder / "requirements.txt").read_text().splitlines()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(tmp_path / "site"), str(wheel)], check=True)
    code = "import contracts.model.bundle, worker.commit, sys; print(worker.commit.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )
    assert done.stdout.strip() == str(tmp_path / "site" / "worker" / "commit.py")
    assert (tmp_path / "site" / "worker" / "commit.lua").is_file()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_settings_shipped_are_settings(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_CONFIG", str(package.folder / "configs" / "bands.toml"))
    shipped = Settings()
    monkeypatch.delenv("BANDS_CONFIG")
    assert shipped.stream == Settings().stream
    assert shipped.worker == Settings().worker


def test_versions_pinned_are_those_that_run() -> None:
    import numpy as np

    assert pins()["numpy"] == np.__version__
    with pytest.raises(BadInputError, match="expected nothing-of-this-name"):
        pins("nothing-of-this-name")
