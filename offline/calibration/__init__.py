"""Calibration offline: which calibrator, learned from held-out rows in the order of time."""

from offline.calibration.choice import CalibrationChoice
from offline.calibration.compare import CANDIDATES, compare
from offline.calibration.fit import fit_calibrators
from offline.calibration.held_out import HeldOut
from offline.calibration.in_order import serve_in_order
from offline.calibration.optimal import load_choices, optimal, write_optimal

__all__ = [
    "CANDIDATES",
    "CalibrationChoice",
    "HeldOut",
    "compare",
    "fit_calibrators",
    "load_choices",
    "optimal",
    "serve_in_order",
    "write_optimal",
]
