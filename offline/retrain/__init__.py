"""Retraining as a service: a request in, a challenger or the reason why not out, exactly once."""

from offline.retrain.archive import archive_folder, extended, read_archive
from offline.retrain.config import RetrainerConfig
from offline.retrain.job import RETRAIN, Job, Report, Result, Stage, StopAskedError, run_folder
from offline.retrain.service import leave, serve

__all__ = [
    "RETRAIN",
    "Job",
    "Report",
    "Result",
    "RetrainerConfig",
    "Stage",
    "StopAskedError",
    "archive_folder",
    "extended",
    "leave",
    "read_archive",
    "run_folder",
    "serve",
]
