"""Registering one horizon of a bundle: its model, its run, and the version of both."""

from __future__ import annotations

from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.model.bundle import Bundle
from contracts.model.grid import LEVEL_NAMES
from contracts.registry import SHA256_TAG, horizon_model
from offline.registry.runs import ensure_run, flat
from offline.registry.versions import find_version, make_version

PARENT_TAG = "mlflow.parentRunId"
_CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
_MODEL_CODE = Path(__file__).with_name("horizon_model.py")
_REQUIRED = ("mlflow", "numpy", "pandas", "pydantic", "redis")
_SEARCH_METRICS = {"best_pinball": "best_pinball_loss", "n_trials": "n_trials", "n_pruned": "n_pruned"}
_NOT_SEARCHED = {"folds", "seed", "tuned", "quantised"}


def register_horizon(
    mlflow: Any,
    client: Any,
    bundle: Bundle,
    folder: Path,
    horizon: int,
    *,
    experiment_id: str,
    parent: str,
    tags: dict[str, str],
) -> str:
    """The version of this horizon's registered model, made unless the same bytes have one.

    Its run, nested in `parent`, holds params and metrics; they stand with the model too.
    """
    name = horizon_model(horizon)
    known = find_version(client, name, bundle.sha256)
    if known is not None:
        return str(known.version)
    own = {PARENT_TAG: parent, SHA256_TAG: bundle.sha256}
    key = f"publish-T{horizon}-{bundle.sha256}"
    run_id = ensure_run(client, experiment_id, key, f"T{horizon}", own)
    with mlflow.start_run(run_id=run_id, nested=True):
        params = horizon_params(bundle, horizon)
        mlflow.log_params(params)
        info = _log_model(mlflow, bundle, folder, horizon, params)
        mlflow.log_metrics(horizon_metrics(bundle, horizon), model_id=info.model_id)
    return make_version(
        client, name, info.model_uri, run_id, {**tags, "hpo": hpo_tag(bundle, horizon)}, info.model_id
    )


def hpo_tag(bundle: Bundle, *horizons: int) -> str:
    """`true` where a search made the settings of every one of these horizons, else `false`."""
    tuned = (bundle.manifest.params[f"T{horizon}"]["tuned"] for horizon in horizons)
    return "true" if all(tuned) else "false"


def horizon_params(bundle: Bundle, horizon: int) -> dict[str, Any]:
    """What trained a horizon; where a search chose it, under `best_*` as well."""
    told = {name: value for name, value in bundle.manifest.params[f"T{horizon}"].items() if name != "hpo"}
    params = flat(told)
    if told["tuned"]:
        found = {name for name, value in told.items() if not isinstance(value, dict)} - _NOT_SEARCHED
        params |= {f"best_{name}": told[name] for name in sorted(found)}
    return params


def horizon_metrics(bundle: Bundle, horizon: int) -> dict[str, float]:
    """What the horizon scored on held-out rows, and how the search went where there was one."""
    search = bundle.manifest.params[f"T{horizon}"].get("hpo") or {}
    scores: dict[str, float] = bundle.manifest.metrics[f"T{horizon}"]
    return scores | {
        metric: float(search[name]) for name, metric in _SEARCH_METRICS.items() if name in search
    }


def _log_model(mlflow: Any, bundle: Bundle, folder: Path, horizon: int, params: dict[str, Any]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = (*bundle.spec.names, "sigma", "volatility_ratio")
    example = pd.DataFrame(np.zeros((1, len(columns))), columns=list(columns)).assign(
        sigma=0.01, volatility_ratio=1.0, symbol=bundle.symbols[0]
    )
    signature = ModelSignature(
        Schema([*(ColSpec("double", name) for name in columns), ColSpec("string", "symbol")]),
        Schema([ColSpec("double", name) for name in LEVEL_NAMES]),
    )
    return mlflow.pyfunc.log_model(
        name=f"T{horizon}",
        python_model=str(_MODEL_CODE),
        artifacts={"bundle": str(folder)},
        # The model carries what it runs on: whoever serves it needs no installation of this project.
        code_paths=[str(_CONTRACTS)],
        model_config={"horizon_bars": horizon},
        params=params,
        signature=signature,
        input_example=example,
        pip_requirements=[f"{name}=={installed(name)}" for name in _REQUIRED],
    )
