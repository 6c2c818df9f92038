"""Gate 4, production readiness: fast and small enough, versioned, watched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.model.bundle import Manifest
from contracts.model.grid import HORIZONS
from offline.gates.check import Check, Gate, measured
from offline.gates.policy import Production
from offline.gates.registered import Registered

NAME, TITLE = "production", "Production readiness"
INFERENCE_SCHEMA = "inference/1"
METRICS = ("bands_ready", "bands_lag_entries", "bands_pending_entries", "bands_step_seconds")
"""What a dashboard and an alert on a dead or late worker need."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What a benchmark of predictions measured, and of which bundle."""

    bundle_sha256: str
    p95_ms: dict[str, float]
    memory_mb: float | None

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Inference:
        """Read `inference/1`; a number that is missing or impossible is left out."""
        horizons = told.get("horizons")
        p95 = {
            str(name): value
            for name, one in (horizons.items() if isinstance(horizons, dict) else ())
            if isinstance(one, dict) and (value := _positive(one.get("p95_ms"))) is not None
        }
        return cls(str(told.get("bundle_sha256")), p95, _positive(told.get("memory_mb")))


def production(
    policy: Production,
    manifest: Manifest,
    bundle_sha256: str,
    inference: Inference | None,
    registered: Registered,
    exposed: Sequence[str],
) -> Gate:
    """Judge measured latency and memory, the registry's version, and what is watched.

    `exposed` names the metrics that this release's worker offers on its `/metrics` page.
    """
    why = "not measured; give --inference of `bands bench inference`"
    if inference is not None and inference.bundle_sha256 != bundle_sha256:
        why, inference = "the inference file is about another bundle", None
    checks = []
    for name in (f"T{horizon}" for horizon in HORIZONS):
        value = inference.p95_ms.get(name) if inference else None
        checks.append(
            measured("latency_ms", value, policy.latency_ms, source="inference", horizon=name, reason=why)
        )
    memory = inference.memory_mb if inference else None
    checks.append(measured("memory_mb", memory, policy.memory_mb, source="inference", reason=why))
    watched = (_drift(manifest), _exposed(exposed))
    return Gate(NAME, TITLE, (*checks, registered.versioned(), *watched))


def _drift(manifest: Manifest) -> Check:
    name, spec = "drift_thresholds", manifest.drift
    if spec is None:
        told = "the bundle carries no drift thresholds, so no detector could be set by it"
        return Check(name, "fail", told, source="manifest")
    if not spec.calibrated:
        return Check(name, "fail", f"no drift thresholds of its own: {spec.note}", source="manifest")
    rates = [rate.simulated for rate in spec.rates.values() if rate.simulated is not None]
    told = (
        f"{len(spec.detectors)} thresholds calibrated to {spec.budget_per_year:g} false alarms per symbol "
        f"and year; {sum(rates):.2f} on resampled history"
    )
    return Check(name, "pass", told, source="manifest")


def _exposed(names: Sequence[str]) -> Check:
    name = "metrics_endpoint"
    if not names:
        return Check(name, "unknown", "this release's worker was not asked", source="worker")
    if missing := sorted(set(METRICS) - set(names)):
        return Check(name, "fail", f"the worker's metrics lack {', '.join(missing)}", source="worker")
    told = "this release's worker offers them on /metrics; no running worker was asked"
    return Check(name, "pass", told, source="worker")


def _positive(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good and value > 0 else None
