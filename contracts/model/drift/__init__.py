"""Drift: what both sides agree to watch, how an event becomes a detector's input, and the thresholds."""

from contracts.model.drift.inputs import (
    implied_scale,
    loss_input,
    miss_input,
    spread_input,
    width_input,
)
from contracts.model.drift.reference import DriftReference
from contracts.model.drift.spec import CHANNELS, Channel, DetectorSpec, DriftSpec, FeatureDrift

__all__ = [
    "CHANNELS",
    "Channel",
    "DetectorSpec",
    "DriftReference",
    "DriftSpec",
    "FeatureDrift",
    "implied_scale",
    "loss_input",
    "miss_input",
    "spread_input",
    "width_input",
]
