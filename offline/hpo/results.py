"""What a search leaves behind: one JSON file per horizon, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.files import write_json
from contracts.model.grid import LEVELS
from offline.hpo.cells import CellGrid, latin_rungs
from offline.hpo.plan import SearchPlan
from offline.hpo.settings import TunedSettings, default_settings
from offline.hpo.space import describe_space
from offline.hpo.study import StudyOutcome

SCHEMA = "hpo/1"
_FIELDS = {field.name: type(field.default) for field in fields(TunedSettings)}


def params_path(folder: Path, horizon: int, *, grid: bool = False) -> Path:
    """`best_params_T=42.json`, or `grid_params_T=42.json`, in `folder`."""
    return folder / f"{'grid' if grid else 'best'}_params_T={horizon}.json"


def result_json(
    outcome: StudyOutcome, cells: CellGrid, plan: SearchPlan, data: dict[str, Any]
) -> dict[str, Any]:
    """A study's outcome as its file tells it. Losses named `pinball` are in log-return units."""
    return {
        "schema": SCHEMA,
        "method": plan.method,
        "horizon_bars": outcome.horizon,
        "best_params": outcome.settings.searched(),
        "best_pinball": outcome.score.pinball,
        "best_pinball_standardised": outcome.score.pinball_standardised,
        "baseline": {"settings": default_settings().to_json(), **_losses(outcome, "baseline")},
        "empirical": _losses(outcome, "empirical"),
        "n_trials": outcome.n_trials,
        "n_pruned": outcome.n_pruned,
        "share_pruned": outcome.n_pruned / outcome.n_trials,
        "search_space": describe_space(grid=plan.grid),
        "pruning": None
        if plan.grid
        else {"min_resource_rungs": 1, "reduction_factor": plan.reduction_factor},
        "seeds": {
            "base": plan.seed,
            "sampler": "SeedSequence([base, horizon, slot])",
            "best": outcome.sampler_seed,
        },
        "cells": {
            "levels": list(LEVELS),
            "folds": cells.n_folds,
            "embargo_bars": cells.embargo_bars,
            "rungs": latin_rungs(cells.n_folds),
            "rows": cells.n_rows,
        },
        "data": data,
        "finalists": [
            {
                "trial": finalist.slot,
                "proxy_pinball_standardised": finalist.proxy_pinball_standardised,
                "pinball_standardised": finalist.full.pinball_standardised,
            }
            for finalist in outcome.finalists
        ],
        "rank_correlation": outcome.rank_correlation,
    }


def refuse_others(folder: Path, names: Mapping[int, str], *, grid: bool) -> None:
    """Refuse to write over the results of other studies than `names`, by horizon.

    Raises:
        BadInputError: a file that is not these studies' own.
    """
    for horizon, name in names.items():
        file = params_path(folder, horizon, grid=grid)
        if not file.exists():
            continue
        told = _read(file)
        found = told.get("data", {}).get("study")
        if found != name:
            raise BadInputError(
                f"expected no results but those of study {name} in {file}, found {found}: it searched other "
                "bars, settings or parameters; give this search another --out, or overwrite with --replace"
            )


def write_result(file: Path, result: dict[str, Any]) -> Path:
    """Write a result file; `OSError` (a full disk) leaves the old one as it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, result)
    return file


def load_best_params(path: Path) -> TunedSettings:
    """The settings a search found, ready to train with.

    Raises:
        BadInputError: the file is missing, no result of a search, or names parameters that are unknown.
    """
    params: dict[str, Any] = _read(path)["best_params"]
    for name, value in params.items():
        kind = _FIELDS.get(name)
        if kind not in (bool, int, float) or not _fits(value, kind):
            known = ", ".join(n for n, k in _FIELDS.items() if k in (bool, int, float))
            raise BadInputError(
                f"expected numbers, or true or false, for {known} in {path}, found {name} = {value!r}; run "
                "the search again"
            )
    return TunedSettings(**params)


def load_search(path: Path) -> dict[str, float]:
    """How the search of a result file went: best_pinball (log-return units), n_trials, n_pruned.

    Raises:
        BadInputError: the file is missing or no result of a search.
    """
    told = _read(path)
    try:
        return {name: told[name] for name in ("best_pinball", "n_trials", "n_pruned")}
    except KeyError as error:
        raise BadInputError(f"expected {error} in {path}, found none; run the search again") from error


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, int) or (kind is float and isinstance(value, float))


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInputError(f"expected a result of `bands hpo` in {path}, found none: {error}") from error
    schema = told.get("schema") if isinstance(told, dict) else None
    if not isinstance(told, dict) or schema != SCHEMA or not isinstance(told.get("best_params"), dict):
        raise BadInputError(
            f"expected a result of `bands hpo` ({SCHEMA}) with best_params in {path}, found schema {schema!r}"
        )
    return told


def _losses(outcome: StudyOutcome, which: str) -> dict[str, float]:
    score = outcome.baseline if which == "baseline" else outcome.empirical
    return {
        "pinball": score.pinball,
        "pinball_standardised": score.pinball_standardised,
        "ratio_of_best": outcome.score.pinball_standardised / score.pinball_standardised,
    }
