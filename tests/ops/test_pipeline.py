"""`bands pipeline` as a user meets it: once through, skipped, resumed after kill -9, damaged, no-go."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import verify_bundle
from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from contracts.registry import BUNDLE_MODEL
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from offline.package import verify_package
from offline.registry import sqlite_uri
from offline.registry.client import registry
from ops.pipeline import Record, pipeline_lock
from tests.ops.tiny_pipeline import (
    BARS,
    LENIENT,
    REFIT,
    RESULTS,
    RUN,
    START,
    files,
    pipeline,
    planned,
    settle,
    states,
    summary,
)

pytestmark = pytest.mark.xdist_group("cli")

ALL = (
    "ingest", "hpo", "grid", "calibrate", "validate", "contingency", "train", "inference", "register",
    "gates", "publish", "forecast", "report", "package",
)  # fmt: skip
OFF = {"grid", "calibrate", "contingency", "forecast"}


@dataclass(frozen=True)
class Home:
    """A working folder, and the summary of the undisturbed run whose files are in `var/pipeline`."""

    folder: Path
    first: dict[str, Any]

    @property
    def out(self) -> Path:
        return self.folder / "var" / "pipeline"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("pipeline")
    market = simulate(MarketSpec(), ("AAA",), BARS + 60, START, seed=5)
    write_bars(market.histories["AAA"], folder / "sim_AAA_4h.parquet")
    (folder / "lenient.toml").write_text(LENIENT)
    with pytest.MonkeyPatch.context() as patch:
        settle(folder, patch)
        return Home(folder, summary(pipeline()))


@pytest.fixture(autouse=True)
def in_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(home.folder, monkeypatch)


def test_once_through_everything_is_there_and_belongs_together(home: Home) -> None:
    told = home.first
    assert states(told) == {name: "not asked" if name in OFF else "ran" for name in ALL}
    assert told["go"] is True
    _, sha256, _ = verify_bundle(Path(told["bundle"]))
    package = verify_package(Path(told["package"])).manifest
    assert (package.version, package.go, package.bundle.sha256) == ("1.0.0-hpo", True, sha256)
    assert json.loads(Path(told["gates"]).read_text())["bundle"]["sha256"] == sha256
    report = Path(told["report"]).read_text()
    assert sha256[:12] in report
    assert "tuning has seen no band that it scores" in " ".join(report.split())
    manifest = json.loads((Path(told["bundle"]) / "manifest.json").read_text())
    assert all(manifest["params"][f"T{horizon}"]["tuned"] for horizon in HORIZONS)
    results = json.loads((home.out / "validation_wf" / "results.json").read_text())
    assert results["settings"]["train"] == manifest["params"], "what was validated is what was trained"
    assert results["cpcv"] is not None
    with registry(sqlite_uri(home.folder / "var" / "mlflow")) as client:
        aliases = client.get_registered_model(BUNDLE_MODEL).aliases
    assert set(aliases) == {"challenger"}, "nothing serves before somebody promotes it"


def test_tuning_reads_no_bar_that_is_validated(home: Home) -> None:
    searched = json.loads((home.out / "hpo" / "best_params_T=60.json").read_text())
    assert searched["data"]["symbols"]["AAA"]["last_close_time"] == REFIT


def test_the_second_run_skips_everything(home: Home) -> None:
    before = files(home.out, "**/*")
    told = summary(pipeline())
    assert states(told) == {name: "not asked" if name in OFF else "up to date" for name in ALL}
    assert files(home.out, "**/*") == before
    assert {key: told[key] for key in ("go", "bundle", "package")} == {
        key: home.first[key] for key in ("go", "bundle", "package")
    }
    shown = pipeline(json_too=False)
    assert "GO; gates:" in shown.stdout
    assert "inference    up to date" in shown.stdout


def test_a_plan_names_what_changed_and_runs_nothing(home: Home) -> None:
    before = files(home.out, "**/*")
    later = planned("--until", iso(START + (BARS + 60) * BAR_SECONDS))
    assert later["hpo"] == ("up to date", "up to date"), "it reads bars before the walk-forward alone"
    assert later["validate"] == later["train"] == ("run", "bars changed")
    assert later["inference"] == ("may run", "only if train gives another result")
    trials = planned("--trials", "2")
    assert trials["hpo"] == ("run", "trials changed")
    assert trials["validate"] == ("may run", "only if hpo gives another result")
    assert planned("--trials", "0")["train"] == ("run", "result of hpo changed")
    assert planned("--version", "2.0.0")["train"] == ("run", "version changed")
    strict = planned("--alias", "champion")
    assert strict["publish"] == ("run", "alias changed")
    assert {strict[name][0] for name in ("train", "gates", "report", "package")} == {"up to date"}
    assert planned("--out", "elsewhere")["ingest"] == ("run", "never run")
    assert not Path("elsewhere").exists()
    assert files(home.out, "**/*") == before


def test_tuning_inside_the_walk_forward_is_told(home: Home) -> None:
    inside = planned("--tune-until", iso(START + 1_200 * BAR_SECONDS))
    assert inside["hpo"] == ("run", "bars changed")
    assert inside["report"] == ("run", "notes changed")


def test_an_altered_file_is_noticed_and_its_stage_runs_again(home: Home) -> None:
    before = files(home.out, *RESULTS, "packages/**/*")
    (home.out / "report" / "report.html").unlink()
    state = next((home.out / "bundles").glob("*/states/*"))
    state.write_bytes(state.read_bytes() + b" ")
    archive = Path(home.first["package"])
    archive.write_bytes(archive.read_bytes()[:-1])
    assert planned()["train"] == ("run", f"{state.relative_to(home.out)} was altered")
    told = summary(pipeline())
    assert {name for name, state in states(told).items() if state == "ran"} == {"train", "report", "package"}
    assert files(home.out, *RESULTS, "packages/**/*") == before


DIE_AFTER_A_WINDOW = """
import os, signal
from offline.validate.store import WindowStore
save = WindowStore.save
def last(self, name, *words):
    save(self, name, *words)
    if name.startswith("2020"):
        os.kill(os.getpid(), signal.SIGKILL)
WindowStore.save = last
from ops.cli import main
main()
"""


def test_killed_in_the_middle_and_resumed_it_ends_with_the_same_bytes(home: Home) -> None:
    expected = files(home.out, *RESULTS)
    again = home.folder / "again"
    shutil.copytree(home.out, again)
    windows = again / "validation_wf" / "windows"
    for finished in [*windows.glob("cpcv-[45]*"), *windows.glob("2020*")]:
        finished.unlink()
    (again / "validation_wf" / "results.json").unlink()
    shutil.rmtree(again / "bundles")
    doomed = subprocess.run(
        [sys.executable, "-c", DIE_AFTER_A_WINDOW, "pipeline", *RUN, "--out", str(again), "--json"],
        cwd=home.folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert doomed.returncode == -signal.SIGKILL, doomed.stderr
    assert not (again / "validation_wf" / "results.json").exists()
    told = summary(pipeline("--out", again))
    ran = {stage["stage"]: stage["said"] for stage in told["stages"] if stage["state"] == "ran"}
    assert {"validate", "train"} <= set(ran)
    assert "1 reused" in ran["validate"]
    assert {"inference", "register", "gates", "publish", "report"}.isdisjoint(ran), "they read the same bytes"
    assert files(again, *RESULTS) == expected


def test_no_go_writes_the_report_and_nothing_leaves(home: Home) -> None:
    Path("strict.toml").write_text(LENIENT.replace("pinball = { below = 1.0 }", "pinball = { below = 1e-9 }"))
    stopped = home.folder / "stopped"
    shutil.copytree(home.out, stopped)
    shutil.rmtree(stopped / "packages")
    told = summary(pipeline("--policy", "strict.toml", "--out", stopped), code=1)
    assert told["go"] is False
    assert told["package"] is None
    assert {name for name, state in states(told).items() if state == "held"} == {"publish", "package"}
    assert not (stopped / "packages").exists()
    assert "**Verdict: NO-GO.**" in Path(told["report"]).read_text()
    assert planned("--policy", "strict.toml", "--out", stopped)["package"] == ("held", "the gates say no-go")
    shown = pipeline("--policy", "strict.toml", "--out", stopped, json_too=False)
    assert shown.exit_code == 1
    assert "NO-GO, nothing published or packed" in shown.stdout
    assert "cv_quality must always pass, and is fail" in " ".join(shown.stdout.split())


def test_a_stage_that_fails_ends_it_and_what_is_finished_stays(home: Home) -> None:
    done = pipeline("--out", "young", "--trials", "0", "--calibrate", json_too=False)
    assert done.exit_code == 3
    told = " ".join(done.output.split())
    assert "calibrate failed" in told
    assert "730 days of rows to compare calibrators on" in told
    assert Record(home.folder / "young").get("ingest") is not None
    assert Record(home.folder / "young").get("validate") is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--window", "long"], "--window as a number of days or `expanding`"),
        (["--symbols", "BBB"], "found BBB"),
        (["--start", "2020-01-20"], "to tune on"),
    ],
)
def test_what_can_not_be_is_told_in_a_sentence(home: Home, words: list[str], told: str) -> None:
    done = pipeline(*words, "--out", "wrong")
    assert done.exit_code == 3, done.output
    assert told in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_a_record_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipeline.json").write_text('{"schema": "pipeline/9"}')
    with pytest.raises(BadInputError, match="remove it"):
        Record(tmp_path)


def test_one_pipeline_at_a_time_in_a_folder(home: Home) -> None:
    with pipeline_lock(home.out):
        done = pipeline()
    assert done.exit_code == 3
    assert "found one running" in " ".join(done.output.split())


@pytest.mark.slow
def test_contingency_and_peers_stand_beside_the_tuned_model(home: Home) -> None:
    told = summary(pipeline("--grid", "--peers", "garch-t", "--out", "whole"))
    assert set(states(told).values()) == {"ran", "not asked"}
    assert {name for name, state in states(told).items() if state == "not asked"} == {"calibrate"}
    whole = home.folder / "whole"
    ours, grid = (
        json.loads((whole / name / "results.json").read_text())
        for name in ("validation_wf", "contingency_wf")
    )
    assert ours["bars"] == grid["bars"]
    assert [one["start"] for one in ours["windows"]] == [one["start"] for one in grid["windows"]]
    assert ours["settings"]["train"] != grid["settings"]["train"]
    (folder,) = whole.glob("bundles/1.0.0-grid-*")
    manifest, sha256, _ = verify_bundle(folder)
    assert dict(manifest.params) == grid["settings"]["train"]
    assert sha256 != verify_bundle(Path(told["bundle"]))[1]
    report = Path(told["report"]).read_text()
    assert "HPO, grid search and HAR-RV on the same walk-forward" in report
    assert "garch-t" in report

    without = summary(pipeline("--out", "whole"))
    assert not list(whole.glob("hpo/grid_params*")), "the report must not read them as if asked for"
    assert "grid search (contingency)" not in Path(without["report"]).read_text()
    assert {name for name, state in states(without).items() if state == "ran"} == {"report"}
    again = summary(pipeline("--grid", "--peers", "garch-t", "--out", "whole"))
    assert {name for name, state in states(again).items() if state == "ran"} == {"grid", "report"}
