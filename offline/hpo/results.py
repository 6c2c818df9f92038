"""What a search leaves behind: one JSON file per horizon, whole or not there."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.model.grid import LEVELS
from offline.hpo.cells import CellGrid, latin_rungs
from offline.hpo.settings import TunedSettings
from offline.hpo.space import describe_space
from offline.hpo.study import SearchPlan, StudyOutcome
from offline.train.settings import TrainSettings

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
        "best_params": {
            name: value
            for name, value in asdict(outcome.settings).items()
            if name not in {"threads", "quantised"}
        },
        "best_pinball": outcome.score.pinball,
        "best_pinball_standardised": outcome.score.pinball_standardised,
        "baseline": {"settings": TrainSettings().to_json(), **_losses(outcome, "baseline")},
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
            "sampler": "SeedSequence([base, horizon, finished trials])",
            "best": outcome.sampler_seed,
        },
        "cells": {
            "levels": list(LEVELS),
            "folds": len(latin_rungs()),
            "embargo_bars": cells.embargo_bars,
            "rungs": latin_rungs(),
            "rows": cells.n_rows,
        },
        "data": data,
        "finalists": [
            {
                "trial": finalist.number,
                "proxy_pinball_standardised": finalist.proxy_pinball_standardised,
                "pinball_standardised": finalist.full.pinball_standardised,
            }
            for finalist in outcome.finalists
        ],
        "rank_correlation": outcome.rank_correlation,
    }


def write_result(file: Path, result: dict[str, Any]) -> Path:
    """Write a result file; `OSError` (a full disk) leaves the old one as it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, (json.dumps(result, indent=2) + "\n").encode())
    return file


def load_best_params(path: Path) -> TrainSettings:
    """The settings a search found, ready to train with.

    Raises:
        BadInputError: the file is missing, no result of a search, or names parameters that are unknown.
    """
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInputError(f"expected a result of `bands hpo` in {path}, found none: {error}") from error
    schema = told.get("schema") if isinstance(told, dict) else None
    if schema != SCHEMA or not isinstance(params := told.get("best_params"), dict):
        raise BadInputError(
            f"expected a result of `bands hpo` ({SCHEMA}) with best_params in {path}, found schema {schema!r}"
        )
    for name, value in params.items():
        kind = _FIELDS.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind not in (int, float) or not number or (kind is int and not isinstance(value, int)):
            raise BadInputError(
                f"expected numbers for {', '.join(n for n, k in _FIELDS.items() if k in (int, float))} in "
                f"{path}, found {name} = {value!r}; run the search again"
            )
    return TunedSettings(**params)


def _losses(outcome: StudyOutcome, which: str) -> dict[str, float]:
    score = outcome.baseline if which == "baseline" else outcome.empirical
    return {
        "pinball": score.pinball,
        "pinball_standardised": score.pinball_standardised,
        "ratio_of_best": outcome.score.pinball_standardised / score.pinball_standardised,
    }
