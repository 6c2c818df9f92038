"""The training plan a command is asked for: settings, a search's results, a calibration's choice."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import BadInputError
from contracts.model.grid import HORIZONS
from offline.calibration import load_choices
from offline.hpo import load_best_params
from offline.hpo.results import load_search, params_path
from offline.train import TrainPlan, TrainSettings
from ops.settings import Settings


def training_plan(
    settings: Settings, params: Path | None = None, calibration: Path | None = None
) -> TrainPlan:
    """Defaults, with the tuned parameters in the folder `params` and the choices of `calibration` on top.

    Raises:
        BadInputError: the folder holds no result of any horizon, or a file is not what it should be.
    """
    default = TrainSettings(
        seed=settings.train.seed, threads=settings.train.threads, folds=settings.train.folds
    )
    tuned: dict[int, TrainSettings] = {}
    searches: dict[int, dict[str, float]] = {}
    if params is not None:
        paths = {h: path for h in HORIZONS if (path := params_path(params, h)).exists()}
        if not paths:
            raise BadInputError(
                f"expected best_params_T=42.json or another horizon's in {params}, found none; run "
                "`bands hpo`, or leave --params out"
            )
        tuned = {horizon: load_best_params(path) for horizon, path in paths.items()}
        searches = {horizon: load_search(path) for horizon, path in paths.items()}
    choices = load_choices(calibration) if calibration is not None else {}
    return TrainPlan(default, tuned, choices, searches)
