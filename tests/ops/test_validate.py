"""`bands validate` as a user meets it: results, spaced lists, resumption after kill -9, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.model.grid import BAR_SECONDS, iso
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from ops.cli.app import app
from tests.behaviour.harness import wait_until

pytestmark = pytest.mark.xdist_group("cli")

START = 1_577_836_800  # 2020-01-01
REFIT = iso(START + 1_400 * BAR_SECONDS)
SPAN = ["--window", "expanding", "--start", REFIT, "--leader", "AAA"]


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("BANDS_TRAIN__FOLDS", "3")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the bars of two symbols."""
    folder = tmp_path_factory.mktemp("validate")
    for symbol, history in simulate(MarketSpec(), ("AAA", "BBB"), 1_700, START, seed=5).histories.items():
        write_bars(history, folder / f"sim_{symbol}_4h.parquet")
    return folder


def words(*more: str | Path) -> list[str]:
    files = [word for symbol in ("AAA", "BBB") for word in ("--bars", f"sim_{symbol}_4h.parquet")]
    return [sys.executable, "-m", "ops.cli", "validate", *files, *map(str, more)]


def run(*more: str | Path) -> Result:
    """In this process, for speed; only what is killed needs one of its own."""
    return CliRunner().invoke(app, words(*more)[3:])


def answer(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_validate_and_its_second_run(home: Path) -> None:
    first = answer(run(*SPAN, "--horizons", "42", "54", "--json"))
    assert first["windows"] == 2
    assert first["reused_windows"] == 0
    assert list(first["overall"]) == ["T42", "T54"]
    assert first["cpcv"] is None
    folder = home / first["folder"]
    assert folder.parts[-2:] == ("var", "validation_wf")
    told = json.loads((folder / "results.json").read_text())
    assert told["overall"] == first["overall"]
    frame = pd.read_parquet(folder / "predictions.parquet")
    assert sorted(frame["horizon_bars"].unique()) == [42, 54]
    assert len(frame) == 2 * 2 * 301

    second = run(*SPAN)
    assert second.exit_code == 0, second.output
    assert "2 reused" in second.stdout
    assert "T60" in second.stdout
    assert "pooled" in second.stdout
    one = answer(run(*SPAN[:4], "--symbols", "BBB", "--cpcv", "--groups", "4", "--out", "one", "--json"))
    assert list(one["overall"]["T42"]) == ["pooled", "BBB"]
    assert len(one["cpcv"]["horizons"]["T42"]["folds"]) == 4


def test_a_killed_run_goes_on_to_the_same_bytes(home: Path) -> None:
    undisturbed = answer(run(*SPAN, "--step", "15", "--out", "whole", "--json"))
    process = subprocess.Popen(
        words(*SPAN, "--step", "15", "--out", "killed"),
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: list((home / "killed").glob("windows/*.window")), "a window is there", 300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = answer(run(*SPAN, "--step", "15", "--out", "killed", "--json"))
    assert 1 <= resumed["reused_windows"] <= resumed["windows"] == undisturbed["windows"]
    for name in ("results.json", "predictions.parquet"):
        assert (home / "killed" / name).read_bytes() == (home / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--symbols", "CCC"], 3, "expected --symbols among AAA, BBB, found CCC"),
        (["--start", "yesterday"], 3, "2024-01-01"),
        (["--start", "2030-01-01"], 3, "earlier --start"),
        (["--end", "2019-01-01"], 3, "expected bars of AAA, BBB from the first to 2019-01-01"),
        (["--end", "2020-02-01"], 3, "361"),
        ([], 3, "expected rows to predict"),
        (["--start", REFIT, "--window", "30"], 3, "longer --window"),
        (["--window", "year"], 3, "expanding"),
        (["--step", "0"], 3, "at least one day"),
        (["--horizons", "43"], 3, "expected --horizons among 42, 48, 54, 60, found '43'"),
        (["42"], 3, "42: expected a bar file"),
        (["--horizons", "week"], 3, "expected --horizons among 42, 48, 54, 60, found 'week'"),
        (["--leader", "CCC"], 3, "--leader"),
        (["--start", REFIT, "--cpcv", "--groups", "1"], 3, "test groups < groups"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_is_told_in_a_sentence(home: Path, more: list[str], code: int, told: str) -> None:
    done = run(*more, "--out", "wrong")
    output = " ".join(done.output.split())
    assert done.exit_code == code, output
    assert told in output
    assert "Traceback" not in output
