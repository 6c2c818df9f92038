"""Runs in the registry: the experiment they belong to, and how one is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.registry import database_file

EXPERIMENT = "quant-bands"
KEY_TAG = "key"
"""Tag of a run: what it is the run of. The same work again finds it."""


def ensure_experiment(client: Any, artifacts: Path | None, name: str = EXPERIMENT) -> str:
    """The id of the experiment `name`, made if there is none.

    `artifacts` is where a direct (SQLite) store keeps files; without it, `artifacts` beside the database.
    Left to itself it would put them into the folder of whoever came first.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    database = database_file(str(client.tracking_uri))
    if artifacts is None and database is not None:
        artifacts = database.with_name("artifacts")
    location = artifacts.resolve().as_uri() if artifacts is not None else None
    return str(client.create_experiment(name, artifact_location=location))


def find_runs(client: Any, experiment_id: str, tag: str, value: str) -> list[Any]:
    """Runs whose tag has this value, the oldest first."""
    if "'" in value:
        raise ValueError(f"expected a key without quotation marks, found {value!r}")
    return list(
        client.search_runs(
            [experiment_id], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time ASC"]
        )
    )


def ensure_run(client: Any, experiment_id: str, key: str, name: str, tags: dict[str, str]) -> str:
    """The id of the run of `key`, finished or cut off, made if there is none."""
    found = find_runs(client, experiment_id, KEY_TAG, key)
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(experiment_id, run_name=name, tags={**tags, KEY_TAG: key})
    return str(made.info.run_id)


def flat(told: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names, as MLflow has them.

    >>> flat({"T42": {"rounds": 80}, "leader": None})
    {'T42.rounds': 80, 'leader': None}
    """
    named: dict[str, Any] = {}
    for name, value in told.items():
        named |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return named
