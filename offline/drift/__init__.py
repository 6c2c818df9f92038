"""Drift thresholds from a run's own held-out rows, to a budget of false alarms."""

from offline.drift.calibrate import calibrate_drift
from offline.drift.features import FeatureNull
from offline.drift.observations import Issued
from offline.drift.plan import DriftPlan

__all__ = ["DriftPlan", "FeatureNull", "Issued", "calibrate_drift"]
