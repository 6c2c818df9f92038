"""Runs in MLflow: written in one go after the work, once each, however often they are written."""

from offline.tracking.experiment import EXPERIMENT, Registry, ensure_experiment
from offline.tracking.run import tracked_run
from offline.tracking.study import Logged, Step, TrackedStudy, log_study
from offline.tracking.training import track_training
from offline.tracking.validation import track_validation

__all__ = [
    "EXPERIMENT",
    "Logged",
    "Registry",
    "Step",
    "TrackedStudy",
    "ensure_experiment",
    "log_study",
    "track_training",
    "track_validation",
    "tracked_run",
]
