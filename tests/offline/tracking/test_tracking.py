"""Runs in a real registry: complete, once each, and completed after a cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from contracts.errors import UnavailableError
from offline.registry import RegistryError
from offline.tracking import EXPERIMENT, Registry, Step, TrackedStudy, log_study, tracked_run

METRICS = ("pruned", "loss", "rounds", "depth")


def study(n_trials: int, best: int = 3) -> TrackedStudy:
    steps = [
        Step(n, 1_700_000_000_000 + n, dict.fromkeys(METRICS, float(n % 7)) | {"loss": 1.0 / (n + 1)})
        for n in range(n_trials)
    ]
    return TrackedStudy(
        "T42-tpe-asha-0123",
        "hpo-T42",
        {"best_rounds": best, "seed": 7},
        {"best_pinball_loss": 0.03, "n_trials": n_trials},
        {"hpo": "true"},
        steps,
        "pruned",
    )


@pytest.fixture(scope="module")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A direct store whose folder is not there yet."""
    folder = tmp_path_factory.mktemp("registry") / "mlflow"
    return Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")


@pytest.fixture
def place(_database: Registry) -> Iterator[Registry]:
    yield _database
    client = MlflowClient(_database.uri)
    for run in runs(_database):
        client.delete_run(run.info.run_id)


def runs(place: Registry) -> list[Any]:
    client = MlflowClient(place.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return list(found)


def steps(place: Registry, run_id: str, metric: str = "loss") -> list[int]:
    return [entry.step for entry in MlflowClient(place.uri).get_metric_history(run_id, metric)]


def test_a_study_is_one_run_with_a_step_per_trial(place: Registry) -> None:
    logged = log_study(place, study(300))
    assert logged.new_steps == 300
    (run,) = runs(place)
    assert run.info.run_id == logged.run_id
    assert run.info.status == "FINISHED"
    assert run.data.params == {"best_rounds": "3", "seed": "7"}
    assert run.data.metrics["best_pinball_loss"] == 0.03
    assert run.data.tags["study"] == "T42-tpe-asha-0123"
    assert place.artifacts is not None
    assert run.info.artifact_uri.startswith(place.artifacts.as_uri()), "never the folder of who came first"
    for metric in METRICS:
        assert steps(place, logged.run_id, metric) == list(range(300))


def test_logging_again_adds_nothing(place: Registry) -> None:
    first = log_study(place, study(5))
    again = log_study(place, study(5))
    assert (again.run_id, again.new_steps) == (first.run_id, 0)
    assert steps(place, first.run_id) == [0, 1, 2, 3, 4]
    assert len(runs(place)) == 1


def test_a_longer_study_is_nested_and_logs_the_later_trials_only(place: Registry) -> None:
    first = log_study(place, study(5))
    longer = log_study(place, study(8, best=9))
    assert longer.new_steps == 3
    assert steps(place, first.run_id) == [0, 1, 2, 3, 4]
    assert steps(place, longer.run_id) == [5, 6, 7]
    child = next(run for run in runs(place) if run.info.run_id == longer.run_id)
    assert child.data.tags["mlflow.parentRunId"] == first.run_id
    assert child.data.params["best_rounds"] == "9"


def test_a_run_that_was_cut_off_is_completed(place: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    real = MlflowClient.log_batch

    def dies(self: MlflowClient, run_id: str, *args: Any, **more: Any) -> None:
        if batches:
            raise ConnectionResetError("gone")
        batches.append(more)
        real(self, run_id, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", dies)
        with pytest.raises(RegistryError, match="gone"):
            log_study(place, study(300))
    (cut,) = runs(place)
    assert cut.info.status == "RUNNING"
    logged = log_study(place, study(300))
    assert logged.run_id == cut.info.run_id
    assert logged.new_steps == 300 - len(batches[0]["metrics"]) // len(METRICS)
    assert steps(place, logged.run_id) == list(range(300))


def test_other_studies_do_not_meet(place: Registry) -> None:
    one = log_study(place, study(2))
    two = log_study(place, replace(study(2), name="T48-tpe-asha-0123"))
    assert one.run_id != two.run_id
    assert two.new_steps == 2


def test_a_piece_of_work_is_one_run(place: Registry) -> None:
    told = {"params": {"rounds": 60}, "metrics": {"coverage_90": 0.9}, "tags": {"stage": "validation"}}
    first = tracked_run(place, "train-5f2c", "train", **told)  # type: ignore[arg-type]
    assert tracked_run(place, "train-5f2c", "train", **told) == first  # type: ignore[arg-type]
    assert tracked_run(place, "train-77aa", "train", **told) != first  # type: ignore[arg-type]
    run = MlflowClient(place.uri).get_run(first)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rounds": "60"}
    assert run.data.metrics == {"coverage_90": 0.9}
    assert run.data.tags["stage"] == "validation"
    with pytest.raises(ValueError, match="quotation"):
        tracked_run(place, "it's", "train", **told)  # type: ignore[arg-type]


def test_a_registry_that_is_down_is_told() -> None:
    with pytest.raises(UnavailableError, match="--tracking-uri"):
        log_study(Registry("http://127.0.0.1:9"), study(2))
