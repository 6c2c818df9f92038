"""Publishing: four horizon models and the bundle version that pins them, behind one alias."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.model.bundle import Bundle, load_bundle
from contracts.model.grid import HORIZONS, LEVEL_NAMES
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, CHAMPION, PREVIOUS, SHA256_TAG, horizon_model
from offline.dataset import Progress, no_progress
from offline.registry.client import registry

EXPERIMENT = "quant-bands"
_CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
_MODEL_CODE = Path(__file__).with_name("horizon_model.py")


@dataclass(frozen=True, slots=True)
class Published:
    """Where a bundle went: its version in the registry and those of its horizons.

    `is_new` is False when the same bytes had been published before.
    """

    name: str
    version: str
    label: str
    horizons: dict[int, str]
    alias: str | None
    is_new: bool


def sqlite_uri(folder: Path) -> str:
    """The tracking URI of the embedded registry, MLflow on SQLite in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def publish(
    folder: Path,
    tracking_uri: str,
    *,
    artifacts: Path | None = None,
    alias: str | None = CHAMPION,
    progress: Progress = no_progress,
) -> Published:
    """Register a bundle folder and point `alias` at it.

    The same bytes are registered once: publishing them again only moves the alias. Where `champion` moves,
    `previous` goes to the version it leaves.

    `artifacts` is where a direct (SQLite) store keeps files; a server decides for itself.

    Raises:
        BundleError: the folder does not verify.
        RegistryError: the registry can not be reached or refuses.
    """
    bundle = load_bundle(folder)
    steps = len(HORIZONS) + 2
    with registry(tracking_uri) as client:
        import mlflow

        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        known = _find(client, bundle)
        if known is not None:
            published = Published(
                BUNDLE_MODEL,
                str(known.version),
                bundle.label,
                {h: known.tags[f"T{h}_version"] for h in HORIZONS},
                alias,
                is_new=False,
            )
        else:
            progress("publishing", 0, steps)
            published = _register(mlflow, client, bundle, folder, artifacts, alias, progress)
        if alias is not None:
            _point(client, alias, published.version)
        progress("publishing", steps, steps)
    return published


def _point(client: Any, alias: str, version: str) -> None:
    aliases = client.get_registered_model(BUNDLE_MODEL).aliases
    left = aliases.get(alias)
    if alias == CHAMPION and left is not None and str(left) != version:
        client.set_registered_model_alias(BUNDLE_MODEL, PREVIOUS, left)
    client.set_registered_model_alias(BUNDLE_MODEL, alias, version)


def _register(
    mlflow: Any,
    client: Any,
    bundle: Bundle,
    folder: Path,
    artifacts: Path | None,
    alias: str | None,
    progress: Progress,
) -> Published:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        # Left to itself a direct store puts artifacts into the folder of whoever came first.
        location = artifacts.resolve().as_uri() if artifacts is not None else None
        experiment_id = client.create_experiment(EXPERIMENT, artifact_location=location)
    else:
        experiment_id = experiment.experiment_id
    manifest = bundle.manifest
    date = max(data.last_open_time for data in manifest.training.values()).date().isoformat()
    tags = {
        "version": manifest.version,
        "stage": "production" if alias == CHAMPION else "staging",
        "hpo": "true" if manifest.params.get("hpo") else "false",
        "date": date,
        SHA256_TAG: bundle.sha256,
    }
    horizons = {}
    with mlflow.start_run(experiment_id=experiment_id, run_name=f"bundle-{bundle.label}") as run:
        mlflow.log_params(manifest.params)
        mlflow.log_artifacts(str(folder), BUNDLE_ARTIFACT)
        progress("publishing", 1, len(HORIZONS) + 2)
        for done, horizon in enumerate(HORIZONS, 2):
            with mlflow.start_run(experiment_id=experiment_id, run_name=f"T{horizon}", nested=True):
                mlflow.log_metrics(manifest.metrics[f"T{horizon}"])
                info = _log_horizon(mlflow, bundle, folder, horizon)
            horizons[horizon] = _version(
                client, horizon_model(horizon), info.model_uri, run, tags, info.model_id
            )
            progress("publishing", done, len(HORIZONS) + 2)
        source = f"{run.info.artifact_uri}/{BUNDLE_ARTIFACT}"
        pins = {f"T{horizon}_version": version for horizon, version in horizons.items()}
        version = _version(client, BUNDLE_MODEL, source, run, {**tags, **pins, "label": bundle.label})
    return Published(BUNDLE_MODEL, version, bundle.label, horizons, alias, is_new=True)


def _version(
    client: Any, name: str, source: str, run: Any, tags: dict[str, str], model_id: str | None = None
) -> str:
    """A new version of the registered model `name`, which is made if there is none."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(name, source, run.info.run_id, tags=tags, model_id=model_id)
    return str(made.version)


def _log_horizon(mlflow: Any, bundle: Bundle, folder: Path, horizon: int) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = (*bundle.spec.names, "sigma")
    example = pd.DataFrame(np.zeros((1, len(columns))), columns=list(columns)).assign(sigma=0.01)
    signature = ModelSignature(
        Schema([ColSpec("double", name) for name in columns]),
        Schema([ColSpec("double", name) for name in LEVEL_NAMES]),
    )
    return mlflow.pyfunc.log_model(
        name=f"T{horizon}",
        python_model=str(_MODEL_CODE),
        artifacts={"bundle": str(folder)},
        code_paths=[str(_CONTRACTS)],
        model_config={"horizon_bars": horizon},
        signature=signature,
        input_example=example,
        pip_requirements=[
            f"{name}=={installed(name)}" for name in ("mlflow", "numpy", "pandas", "pydantic", "redis")
        ],
    )


def _find(client: Any, bundle: Bundle) -> Any | None:
    versions = client.search_model_versions(f"name = '{BUNDLE_MODEL}'")
    return next((v for v in versions if v.tags.get(SHA256_TAG) == bundle.sha256), None)
