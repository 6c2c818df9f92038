"""A small spec and reference, with detectors that fire within a test."""

from __future__ import annotations

import numpy as np

from contracts.model.drift import DetectorSpec, DriftReference, DriftSpec, FeatureDrift
from contracts.model.grid import HORIZONS

FEATURES = 5


def spec(*, threshold: float = 6.0, quiet_bars: int = 84) -> DriftSpec:
    """Every channel at one threshold, in River's three modes."""
    width = {"channel": "width", "mode": "up", "delta": 0.05, "start_mean": 0.2}
    labels = [
        {"channel": channel, "horizon_bars": horizon, "mode": mode, "delta": delta, "start_mean": mean}
        for channel, mode, delta, mean in (
            ("coverage", "both", 0.05, 0.1), ("loss", "down", 0.03, 0.25), ("pit", "both", 0.06, 0.5)
        )
        for horizon in HORIZONS
    ]  # fmt: skip
    detectors = tuple(
        DetectorSpec.model_validate({**one, "threshold": threshold, "min_instances": 20, "start_weight": 60})
        for one in (width, *labels)
    )
    return DriftSpec(
        calibrated=True,
        note="made up",
        budget_per_year=1.0,
        quiet_bars=quiet_bars,
        detectors=detectors,
        features=FeatureDrift(week_bars=6, weeks=2, level=0.05),
    )


def reference() -> DriftReference:
    """Standard normal features whose windows never stray further than 0.45 in training."""
    edges = np.tile([-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816], (FEATURES, 1))
    null = np.tile(np.linspace(0.05, 0.45, 46), (FEATURES, 1))
    return DriftReference(tuple(f"f{n}" for n in range(FEATURES)), edges, null, np.full(FEATURES, 0.02))
