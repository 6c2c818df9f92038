"""Conformal calibration of the two intervals: the members, their interface, and what they share.

Everything is in standardised units: a return divided by sigma * sqrt(T). Quantiles come rearranged
(ascending), five to a row, at the levels of the grid. Importing this module registers every member.
"""

from contracts.model._calibration.adaptive import AdaptiveCQR
from contracts.model._calibration.mondrian import MondrianCQR
from contracts.model._calibration.mondrian_adaptive import MondrianAdaptiveCQR
from contracts.model._calibration.rolling import WINDOWS_DAYS, RollingCQR
from contracts.model._calibration.scores import conformity_scores, finite_sample_rank, nested, q_hat
from contracts.model._calibration.split import SplitCQR
from contracts.model._calibration.two_speed import TwoSpeedCQR
from contracts.model.calibrator import (
    BandContext,
    Calibrator,
    CalibratorError,
    ClosedLabel,
    calibrator_from_json,
    calibrator_methods,
    register,
)

__all__ = [
    "WINDOWS_DAYS",
    "AdaptiveCQR",
    "BandContext",
    "Calibrator",
    "CalibratorError",
    "ClosedLabel",
    "MondrianAdaptiveCQR",
    "MondrianCQR",
    "RollingCQR",
    "SplitCQR",
    "TwoSpeedCQR",
    "calibrator_from_json",
    "calibrator_methods",
    "conformity_scores",
    "finite_sample_rank",
    "nested",
    "q_hat",
    "register",
]
