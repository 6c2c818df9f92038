"""`bands train`, `validate` and `publish` beside the registry: tracked once, and nothing lost without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from contracts.model.grid import BAR_SECONDS, iso
from offline.ingest import write_bars
from ops.cli.app import app
from tests.market import START, TRAINING_BARS, TestMarket

pytestmark = pytest.mark.xdist_group("registry")

DOWN = ("--tracking-uri", "http://127.0.0.1:9")
BARS = ("--bars", "sim_AAA_4h.parquet")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Path:
    folder = tmp_path_factory.mktemp("tracked")
    write_bars(market.training["AAA"], folder / "sim_AAA_4h.parquet")
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("BANDS_TRAIN__FOLDS", "2")


def bands(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def runs(home: Path, stage: str) -> list[Any]:
    client = MlflowClient(f"sqlite:///{home / 'var' / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quant-bands")
    return list(client.search_runs([experiment.experiment_id], f"tags.stage = '{stage}'"))


def test_training_is_there_without_a_registry_and_tracked_once_with_one(home: Path) -> None:
    down = bands("train", *BARS, *DOWN, "--json")
    assert down.exit_code == 4, down.output
    folder = Path(json.loads(down.stdout)["folder"])
    assert (folder / "manifest.json").is_file()
    assert "The training is finished" in " ".join(down.stderr.split())
    untracked = bands("train", *BARS, *DOWN, "--no-track", "--json")
    assert untracked.exit_code == 0, untracked.output
    assert json.loads(untracked.stdout)["reused"]
    assert not (home / "var" / "mlflow").exists()

    for _ in range(2):
        assert bands("train", *BARS).exit_code == 0
        (run,) = runs(home, "training")
        assert run.info.status == "FINISHED"
        assert run.data.params["symbols"] == "AAA"


def test_a_validation_is_tracked_once(home: Path) -> None:
    start = iso(START + (TRAINING_BARS - 120) * BAR_SECONDS)
    words = ("validate", *BARS, "--horizons", "42", "--window", "expanding", "--start", start, "--json")
    down = bands(*words, *DOWN)
    assert down.exit_code == 4, down.output
    told = json.loads(down.stdout)
    for _ in range(2):
        assert bands(*words).exit_code == 0
        (run,) = runs(home, "validation")
        coverage = told["overall"]["T42"]["pooled"]["coverage_90"]["value"]
        assert run.data.metrics["T42.coverage_90"] == coverage


def test_a_registry_that_is_down_leaves_publish_without_a_trace(
    market: TestMarket, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    down = bands("publish", market.folder, *DOWN)
    assert down.exit_code == 4
    assert "start it, or name another with --tracking-uri" in " ".join(down.output.split())
    secret = bands("publish", market.folder, "--tracking-uri", "http://desk:secret@127.0.0.1:9")
    assert secret.exit_code == 4
    assert "secret" not in secret.output
    assert bands("publish", "no-such-bundle").exit_code == 3
    assert bands("publish", market.folder, "--alias", "latest").exit_code == 3
    assert not any(tmp_path.iterdir()), "nothing half-written"
