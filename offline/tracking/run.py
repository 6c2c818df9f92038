"""One run per piece of work, found again by its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from offline.registry.runs import KEY_TAG, ensure_experiment, find_runs
from offline.tracking.experiment import Registry

FINISHED = "FINISHED"
MOST_PARAMS = 100
MOST_METRICS = 1_000
"""What MLflow takes in one batch."""


def tracked_run(
    place: Registry,
    key: str,
    name: str,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    artifacts: Sequence[Path] = (),
) -> str:
    """Log a finished piece of work and the files it left, once per `key`; the id of its run.

    The same work again changes nothing, a run that was cut off is completed. A metric that is no finite
    number does not exist: leave it out.

    Raises:
        RegistryError: the registry can not be reached or refuses, as it does other params under one key.
    """
    with place.client() as client:
        experiment_id = ensure_experiment(client, place.artifacts)
        found = find_runs(client, experiment_id, KEY_TAG, key)
        if found and found[0].info.status == FINISHED:
            return str(found[0].info.run_id)
        run = found[0] if found else client.create_run(experiment_id, run_name=name, tags={KEY_TAG: key})
        run_id = str(run.info.run_id)
        log(client, run_id, params=params, metrics=metrics, tags=tags)
        for file in artifacts:
            client.log_artifact(run_id, str(file))
        client.set_terminated(run_id, FINISHED)
    return run_id


def log(
    client: Any,
    run_id: str,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    at_ms: int = 0,
    step: int = 0,
) -> None:
    """Params, metrics and tags in as few requests as MLflow allows.

    Time and step are the caller's: equal metrics are then one metric, however often they are logged.
    """
    from mlflow.entities import Metric, Param, RunTag

    listed = [Param(name, str(value)) for name, value in params.items()]
    for part in _parts(listed, MOST_PARAMS):
        client.log_batch(run_id, params=part)
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), at_ms, step) for name, value in metrics.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
