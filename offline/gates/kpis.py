"""Key figures beside the gates: ideal, minimum, missed or unknown. They decide nothing."""

from __future__ import annotations

from typing import Any

from contracts.model.bundle import Manifest
from contracts.model.grid import HORIZONS
from offline.gates.check import Check
from offline.gates.policy import Kpi, Kpis
from offline.gates.production import Inference
from offline.gates.results import Results

SCORES = ("pinball", "coverage_90", "mae", "ic", "crossing_rate")


def kpis(
    policy: Kpis,
    manifest: Manifest,
    bundle_sha256: str,
    results: Results,
    about: Check,
    inference: Inference | None,
) -> list[dict[str, Any]]:
    """Walk-forward scores and latency of every horizon, and the seconds training took."""
    told = []
    other = None if about.status == "pass" else "the results are of another model"
    for name in (f"T{horizon}" for horizon in HORIZONS):
        scopes = results.overall.get(name)
        for score in SCORES:
            found = getattr(scopes["pooled"], score) if scopes and other is None else None
            reason = other or (found.reason if found else f"{name} was not validated")
            kpi = getattr(policy, score)
            told.append(_kpi(score, name, found.value if found else None, kpi, reason, "results"))
        mine = inference if inference and inference.bundle_sha256 == bundle_sha256 else None
        latency = mine.p95_ms.get(name) if mine else None
        why = "not measured on this bundle"
        told.append(_kpi("latency_ms", name, latency, policy.latency_ms, why, "inference"))
    seconds = manifest.metrics.get("training_seconds")
    spent = float(seconds) if isinstance(seconds, int | float) else None
    why = "the manifest does not say: a bundle's bytes do not depend on a clock"
    told.append(_kpi("training_seconds", None, spent, policy.training_seconds, why, "manifest"))
    return told


def _kpi(
    name: str, horizon: str | None, value: float | None, kpi: Kpi, reason: str | None, source: str
) -> dict[str, Any]:
    if value is None:
        status, why = "unknown", reason or "not measured"
    elif kpi.ideal.holds(value):
        status, why = "ideal", None
    else:
        status, why = ("minimum" if kpi.minimum.holds(value) else "missed"), None
    return {
        "name": name,
        "horizon": horizon,
        "status": status,
        "value": value,
        "minimum": str(kpi.minimum),
        "ideal": str(kpi.ideal),
        "reason": why,
        "source": source,
    }
