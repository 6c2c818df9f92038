"""Training and validation runs in a real registry: what they tell, and once only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.artifacts import load_text
from mlflow.tracking import MlflowClient

from contracts.model.grid import HORIZONS
from offline.registry import RegistryError
from offline.tracking import EXPERIMENT, Registry, track_training, track_validation
from offline.validate.report import write_results
from tests.market import TestMarket
from tests.offline.gates.evidence import good_results

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("tracked") / "mlflow"
    return Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")


def count(place: Registry) -> int:
    client = MlflowClient(place.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return 0 if experiment is None else len(client.search_runs([experiment.experiment_id]))


def validation(market: TestMarket) -> dict[str, Any]:
    """`results.json` as a validation writes it."""
    results = good_results(market.bundle.manifest)
    results["horizons"] = list(HORIZONS)
    results["settings"] |= {"walk_forward": {"window_days": None, "step_days": 30}}
    (window,) = results["windows"]
    window |= {"start": "2023-01-01T00:00:00Z", "stop": "2024-01-01T00:00:00Z"}
    for told in results["cpcv"]["horizons"].values():
        told |= {"pinball_to_har_rv": 0.99, "coverage_50": 0.5}
    return results


def test_a_training_run_tells_bars_settings_and_scores(place: Registry, market: TestMarket) -> None:
    before = count(place)
    run_id = track_training(place, market.bundle, market.folder)
    assert track_training(place, market.bundle, market.folder) == run_id
    assert count(place) == before + 1
    run = MlflowClient(place.uri).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["symbols"] == "AAA,BBB"
    assert run.data.params["leader"] == "AAA"
    assert run.data.params["T60.rounds"] == "8"
    assert run.data.tags["bundle_sha256"] == market.bundle.sha256
    assert run.data.tags["hpo"] == "false"
    for horizon in HORIZONS:
        for name, value in market.bundle.manifest.metrics[f"T{horizon}"].items():
            assert run.data.metrics[f"T{horizon}.{name}"] == value
    kept = json.loads(load_text(f"{run.info.artifact_uri}/manifest.json"))
    assert kept == json.loads((market.folder / "manifest.json").read_text())


def test_a_validation_run_tells_coverage_loss_and_keeps_its_results(
    place: Registry, market: TestMarket, tmp_path: Path
) -> None:
    before = count(place)
    results, file = validation(market), tmp_path / "results.json"
    results["overall"]["T48"]["pooled"]["mae"] |= {"value": None, "reason": "none"}
    write_results(results, file)
    run_id = track_validation(place, results, file)
    assert track_validation(place, results, file) == run_id
    assert count(place) == before + 1
    run = MlflowClient(place.uri).get_run(run_id)
    for horizon in HORIZONS:
        pooled = results["overall"][f"T{horizon}"]["pooled"]
        for name in ("coverage_90", "coverage_50", "pinball", "winkler_90_to_har_rv"):
            assert run.data.metrics[f"T{horizon}.{name}"] == pooled[name]["value"]
            assert run.data.metrics[f"T{horizon}.{name}_low"] == pooled[name]["low"]
        assert run.data.metrics[f"cpcv.T{horizon}.pinball_to_har_rv"] == 0.99
    assert "T48.mae" not in run.data.metrics, "what has no number has no metric"
    assert run.data.metrics["T54.n_effective"] == 50
    assert run.data.params["walk_forward.window_days"] == "None"
    assert run.data.params["train.T42.rounds"] == "8"
    assert json.loads(load_text(f"{run.info.artifact_uri}/results.json")) == results

    results["overall"]["T42"]["pooled"]["coverage_90"]["value"] = 0.5
    write_results(results, file)
    assert track_validation(place, results, file) != run_id, "other results are another run"


def test_a_run_whose_artifact_was_cut_off_is_completed(
    place: Registry, market: TestMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, file = validation(market), tmp_path / "results.json"
    results["leader"] = None
    write_results(results, file)

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", full)
        with pytest.raises(RegistryError, match="no space left"):
            track_validation(place, results, file)
    before = count(place)
    run_id = track_validation(place, results, file)
    assert count(place) == before
    run = MlflowClient(place.uri).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert json.loads(load_text(f"{run.info.artifact_uri}/results.json")) == results
