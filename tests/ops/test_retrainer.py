"""`bands retrainer` and `bands retrain` with the real job: the pipeline on a tiny simulated market."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from contracts.events import RetrainRequest, RetrainStatus
from contracts.model.grid import BAR_SECONDS
from contracts.registry import BUNDLE_MODEL
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from offline.registry.client import registry
from offline.retrain import run_folder
from ops.cli.app import app
from ops.retraining import PipelineJob, champion_label, look_up_champion
from ops.retraining.bars import retraining_bars
from ops.retraining.plan import settle
from ops.settings import Settings
from tests.behaviour.harness import ServedWorker, wait_until
from tests.behaviour.test_retrainer import ServedRetrainer as FakeRetrainer
from tests.behaviour.test_retrainer import final, settled, statuses
from tests.market import bar_of
from tests.ops.tiny_pipeline import BARS, LENIENT, START
from tests.servers import ServerProcess

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.timeout(1_800)]

TINY = {
    "BANDS_TRAIN__FOLDS": "2",
    "BANDS_RETRAIN__TRIALS": "1",
    "BANDS_RETRAIN__VALIDATION_DAYS": "66",
    "BANDS_RETRAIN__SCHEDULE_DAY": "0",
    "BANDS_RETRAIN__LEASE_TTL_MS": "8000",
    "BANDS_RETRAIN__SWEEP_INTERVAL_S": "0.2",
}
STREAMED = 30
"""Bars that are in no file and come from the stream."""


class RealRetrainer(ServedWorker):
    """`bands retrainer` on the bars of a folder."""

    def __init__(self, url: str, folder: Path, policy: Path) -> None:
        super().__init__(url, folder, None, **TINY)
        words = ["retrainer", "--http-port", str(self.port), "--bars", str(folder / "bars")]
        self._command = [sys.executable, "-m", "ops.cli", *words, "--policy", str(policy)]


def furnish(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Bars and policies in a folder, and the environment of a tiny run."""
    for name in [name for name in os.environ if name.startswith("BANDS_")]:
        patch.delenv(name)
    for name, value in {**TINY, "BANDS_WORKSPACE": str(folder / "var"), "COLUMNS": "100"}.items():
        patch.setenv(name, value)
    patch.chdir(folder)
    market = simulate(MarketSpec(), ("AAA",), BARS + STREAMED, START, seed=5).histories["AAA"]
    write_bars(market.between(None, START + BARS * BAR_SECONDS), folder / "bars" / "sim_AAA_4h.parquet")
    (folder / "lenient.toml").write_text(LENIENT)
    strict = LENIENT.replace("pinball = { below = 1.0 }", "pinball = { below = 1e-9 }")
    (folder / "strict.toml").write_text(strict)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A furnished folder of one's own."""
    furnish(tmp_path, monkeypatch)
    return tmp_path


def streamed() -> list[bytes]:
    """The bars behind those of the file, and two that are none."""
    market = simulate(MarketSpec(), ("AAA",), BARS + STREAMED, START, seed=5).histories["AAA"]
    newer = market.between(START + BARS * BAR_SECONDS, None).candles()
    return [
        b"\xff",
        *(bar_of("AAA", candle).to_wire() for candle in newer),
        bar_of("AAA", newer[3]).to_wire(),
    ]


def ask(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "retrain", *words], stdout=subprocess.PIPE, text=True
    )


def aliases(home: Path) -> dict[str, str]:
    with registry(f"sqlite:///{home / 'var' / 'mlflow' / 'mlflow.db'}") as client:
        return {name: str(at) for name, at in client.get_registered_model(BUNDLE_MODEL).aliases.items()}


@dataclass(frozen=True)
class Finished:
    """A run that was killed in the middle, after its end: its id, its final status, what the command said."""

    home: Path
    run_id: str
    end: RetrainStatus
    shown: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Bars from file and stream, kill -9 while tuning, resume: everything after is judged on this one run."""
    home = tmp_path_factory.mktemp("finished")
    server = ServerProcess("valkey", home / "server")
    server.start()
    client: Any = server.client()
    for data in streamed():
        client.xadd("bars.4h", {"data": data})
    with pytest.MonkeyPatch.context() as patch:
        furnish(home, patch)
        with RealRetrainer(server.url, home, home / "lenient.toml") as retrainer:
            command = ask("--reason", "test", "--by", "me", "--wait", "--redis-url", server.url)
            runs = home / "var" / "retrain" / "runs"
            wait_until(lambda: list(runs.glob("*/hpo/best_params*")), "a horizon tuned", 300)
            retrainer.kill()
            retrainer.start()
            shown, _ = command.communicate(timeout=600)
            assert command.returncode == 0, shown + retrainer.told()
            run_id = shown.split()[0]
            end = final(client, run_id)
            settled(client, run_id)
            assert retrainer.stop() == 0
    server.stop()
    return Finished(home, run_id, end, shown)


def test_killed_in_mid_run_it_ends_with_one_challenger(finished: Finished) -> None:
    end, home = finished.end, finished.home
    assert end.stage == "registered"
    assert end.bundle is not None
    assert end.bundle.startswith("1.0.0-hpo+")
    assert (end.registry_version, end.alias) == ("1", "challenger")
    manifest = json.loads(
        next(run_folder(home / "var", finished.run_id).glob("bundles/*/manifest.json")).read_text()
    )
    assert manifest["training"]["AAA"]["bars"] == BARS + STREAMED, "files, and what has flowed since"
    assert "registered" in finished.shown.splitlines()[-1]
    with registry(f"sqlite:///{home / 'var' / 'mlflow' / 'mlflow.db'}") as client:
        assert len(client.search_model_versions(f"name = '{BUNDLE_MODEL}'")) == 1


def test_the_next_run_starts_from_the_champion_and_a_no_go_moves_no_alias(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = finished.home
    furnish(home, monkeypatch)
    settings = Settings()
    workspace = settings.workspace_path
    request = RetrainRequest(id=finished.run_id, at=datetime.now(UTC), requested_by="t", reason="r")

    def report(stage: str, progress: float, detail: str = "") -> None:
        assert 0 <= progress <= 1

    again = PipelineJob(settings, (home / "bars",), home / "lenient.toml")(request, workspace, report)
    assert (again.bundle, again.version) == (finished.end.bundle, "1"), "it is there, and only found"
    assert champion_label(settings) is None
    with registry(settings.registry_uri) as client:
        client.set_registered_model_alias(BUNDLE_MODEL, "champion", "1")
        client.delete_registered_model_alias(BUNDLE_MODEL, "challenger")
    assert champion_label(settings) == again.bundle

    judged = PipelineJob(settings, (home / "bars",), home / "strict.toml")(request, workspace, report)
    assert (judged.go, judged.bundle, judged.alias) == (False, again.bundle, None)
    assert "cv_quality must always pass, and is fail" in judged.detail
    assert "cv_quality.pinball" in judged.detail
    assert aliases(home) == {"champion": "1"}

    plan = settle(retraining_bars((home / "bars",), workspace, ()), look_up_champion(settings), settings)
    assert (plan.version, plan.replaces) == ("1.1.0-hpo", again.bundle), "a minor version up"
    tuned = json.loads((run_folder(workspace, request.id) / "hpo" / "best_params_T=42.json").read_text())
    assert plan.search_from[42]["rounds"] == tuned["best_params"]["rounds"]
    assert plan.start is not None
    assert plan.leader is None


def test_a_request_is_asked_and_followed(embedded_url: str, home: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["retrain", "--reason", "a test", "--by", "me", "--redis-url", embedded_url])
    assert done.exit_code == 0, done.output
    client: Any = Redis.from_url(embedded_url)
    ((_, fields),) = client.xrange("alerts.retrain")
    asked = RetrainRequest.from_wire(fields[b"data"])
    assert (asked.id, asked.requested_by, asked.reason) == (done.stdout.strip(), "me", "a test")
    (home / "var").mkdir(exist_ok=True)
    words = ["retrain", "--wait", "--json", "--redis-url", embedded_url, "--reason"]
    with FakeRetrainer(embedded_url, home, lease_ttl_ms=10_000):
        assert final(client, asked.id).stage == "registered"
        skipped = runner.invoke(app, [*words, "within the cooldown"])
        assert skipped.exit_code == 1
        assert json.loads(skipped.stdout)["status"]["stage"] == "skipped"
        no_go = runner.invoke(app, [*words, "no-go", "--force"])
        assert no_go.exit_code == 1
        assert "out_of_sample" in json.loads(no_go.stdout)["status"]["detail"]
        forced = runner.invoke(app, [*words, "fine", "--force"])
        assert forced.exit_code == 0, forced.output
    assert len([status for status in statuses(client) if status.is_final]) == 4


def test_what_can_not_be_is_told_in_a_sentence(home: Path) -> None:
    for words, told in (
        (["--bars", "nowhere"], "expected bar files at nowhere"),
        (["--policy", "nowhere.toml"], "nowhere.toml"),
        (["--redis-url", "http://x"], "redis.url to be a URL"),
    ):
        done = CliRunner().invoke(app, ["retrainer", *words])
        assert done.exit_code == 3, done.output
        assert told in " ".join(done.output.split())
