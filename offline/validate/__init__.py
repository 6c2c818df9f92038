"""Walk-forward validation and purged cross-validation: what a model would have said, and how well."""

from offline.validate.cpcv import CpcvSettings, cross_validate, split_folds
from offline.validate.report import RESULTS_SCHEMA, predictions_frame
from offline.validate.run import Validation, validate
from offline.validate.windows import WalkForwardSettings, Window, plan_windows, training_rows

__all__ = [
    "RESULTS_SCHEMA",
    "CpcvSettings",
    "Validation",
    "WalkForwardSettings",
    "Window",
    "cross_validate",
    "plan_windows",
    "predictions_frame",
    "split_folds",
    "training_rows",
    "validate",
]
