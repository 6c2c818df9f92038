"""A pipeline small enough for tests: one simulated coin, one refit, one trial a horizon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.model.grid import BAR_SECONDS, iso
from ops.cli.app import app

START = 1_577_836_800  # 2020-01-01
BARS = 1_400
REFIT = iso(START + 1_000 * BAR_SECONDS)
LENIENT = """
[cv_quality]
pinball = { below = 1.0 }
coverage_90 = { between = [0.0, 1.0] }
variance_between_folds = { below = 10.0 }
crossing_rate = { below = 1.0 }
[out_of_sample]
coverage_90 = { between = [0.0, 1.0] }
coverage_50 = { between = [0.0, 1.0] }
calibration_error = { below = 1.0 }
winkler_90_to_har_rv = { below = 10.0 }
"""
"""A few weeks of one coin prove nothing; these thresholds only let the run go on to its end."""
RUN = [
    "--bars", "sim_AAA_4h.parquet", "--start", REFIT, "--until", iso(START + BARS * BAR_SECONDS),
    "--step", "90", "--trials", "1", "--no-calibrate", "--policy", "lenient.toml",
]  # fmt: skip
RESULTS = ("validation_wf/*.*", "bundles/**/*", "hpo/best_params*")
"""What must be the same bytes whatever happened on the way."""


def settle(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(folder)
    patch.setenv("COLUMNS", "100")
    patch.setenv("BANDS_TRAIN__FOLDS", "2")


def pipeline(*more: str | Path, json_too: bool = True) -> Result:
    words = ["pipeline", *RUN, *map(str, more), *(["--json"] if json_too else [])]
    return CliRunner().invoke(app, words)


def summary(done: Result, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def states(told: dict[str, Any]) -> dict[str, str]:
    return {stage["stage"]: stage["state"] for stage in told["stages"]}


def planned(*more: str | Path) -> dict[str, tuple[str, str]]:
    done = pipeline("--plan", *more)
    assert done.exit_code == 0, done.output
    return {one["stage"]: (one["state"], one["why"]) for one in json.loads(done.stdout)}


def files(folder: Path, *patterns: str) -> dict[str, bytes]:
    """What the run is judged by: bytes of its files by path."""
    found = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
