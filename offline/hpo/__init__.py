"""Hyperparameter search: TPE over a Latin square of purged cells, pruned between rungs, resumable."""

from offline.hpo.cells import N_FOLDS, CellGrid, Score, latin_rungs
from offline.hpo.plan import EMBARGO_BARS, SearchPlan
from offline.hpo.pool import CellPool, StoppedError
from offline.hpo.results import load_best_params, params_path
from offline.hpo.search import search
from offline.hpo.settings import TunedSettings
from offline.hpo.study import StudyOutcome, StudyProgress, run_study
from offline.hpo.thermal import ThermalGuard
from offline.hpo.threads import plan_workers
from offline.hpo.tracking import tracked

__all__ = [
    "EMBARGO_BARS",
    "N_FOLDS",
    "CellGrid",
    "CellPool",
    "Score",
    "SearchPlan",
    "StoppedError",
    "StudyOutcome",
    "StudyProgress",
    "ThermalGuard",
    "TunedSettings",
    "latin_rungs",
    "load_best_params",
    "params_path",
    "plan_workers",
    "run_study",
    "search",
    "tracked",
]
