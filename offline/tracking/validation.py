"""A walk-forward validation as MLflow has it: its settings, its overall scores, its `results.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offline.registry.runs import flat
from offline.tracking.experiment import Registry
from offline.tracking.numbers import numbers
from offline.tracking.run import tracked_run

CPCV_SCORES = ("pinball_to_har_rv", "variance_between_folds", "coverage_90", "coverage_50")


def track_validation(place: Registry, results: Mapping[str, Any], file: Path) -> str:
    """Log `results`, the content of the `results.json` at `file`, once for the same bytes; its run's id.

    Metrics are the pooled scores and ratios, `T42.coverage_90`, `T42.winkler_90_to_har_rv` and so on, with
    the ends of their intervals as `_low` and `_high`; those of each symbol stand in the artifact.

    Raises:
        RegistryError: the registry can not be reached or refuses; the same call again completes the run.
    """
    settings = results["settings"]
    train = settings["train"]
    params = {
        "symbols": ",".join(results["symbols"]),
        "horizons": ",".join(map(str, results["horizons"])),
        "leader": results["leader"],
        **flat({"walk_forward": settings["walk_forward"], "train": train}),
    }
    told = {name: _pooled(scopes["pooled"]) for name, scopes in results["overall"].items()}
    tuned = all(train[f"T{horizon}"]["tuned"] for horizon in results["horizons"])
    return tracked_run(
        place,
        f"validate-{hashlib.sha256(file.read_bytes()).hexdigest()}",
        f"validate-{results['windows'][0]['start'][:10]}-{results['windows'][-1]['stop'][:10]}",
        params=params,
        metrics=numbers(told | {"windows": len(results["windows"]), "cpcv": _cpcv(results["cpcv"])}),
        tags={"stage": "validation", "hpo": "true" if tuned else "false"},
        artifacts=[file],
    )


def _pooled(scores: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, estimate in scores.items():
        told |= {name: estimate["value"], f"{name}_low": estimate["low"], f"{name}_high": estimate["high"]}
    return told | {"n_effective": scores["pinball"]["n_effective"]}


def _cpcv(cpcv: Mapping[str, Any] | None) -> dict[str, Any]:
    if cpcv is None:
        return {}
    return {name: {score: told[score] for score in CPCV_SCORES} for name, told in cpcv["horizons"].items()}
