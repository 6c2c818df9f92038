"""Evidence that a bundle would pass with, made for its own manifest, for tests to spoil."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from contracts.model.bundle import Manifest
from contracts.model.grid import HORIZONS

Spoil = Callable[[dict[str, Any]], None]

POLICY = "[cv_quality]\ncrossing_rate = { below = 0.05 }\n"
"""The tiny market's models cross in 1.7 % of its rows."""

GOOD = {
    "coverage_90": 0.90,
    "coverage_50": 0.50,
    "crossing_rate": 0.0004,
    "calibration_error": 0.01,
    "pinball": 0.02,
    "winkler_90": 0.3,
    "winkler_90_to_har_rv": 0.95,
    "mae": 0.04,
}
FOLDS = ((0.020, 0.97, 0.91), (0.025, 0.99, 0.89), (0.030, 1.01, 0.90))


def good_results(manifest: Manifest) -> dict[str, Any]:
    """`results.json` of a walk-forward with cross-validation over exactly the bundle's bars."""
    told = json.loads(manifest.model_dump_json())
    scores: dict[str, Any] = {name: estimate(value) for name, value in GOOD.items()}
    scores["ic"] = {**estimate(0.0), "value": None, "reason": "the median is constant"}
    scopes = dict.fromkeys(("pooled", *manifest.symbols), scores)
    counts = {"pooled": {"bands": 2_000, "n": 2_000 - 60 * len(manifest.symbols)}}
    names = [f"T{horizon}" for horizon in HORIZONS]
    results = {
        "schema": "validation/1",
        "settings": {"train": told["params"]},
        "symbols": list(manifest.symbols),
        "leader": manifest.features.leader,
        "bars": told["training"],
        "windows": [{"scores": dict.fromkeys(names, counts)}],
        "overall": dict.fromkeys(names, scopes),
        "cpcv": {
            "settings": {"groups": 3, "test_groups": 1, "embargo_bars": 42},
            "horizons": {name: folds() for name in names},
        },
    }
    copy: dict[str, Any] = json.loads(json.dumps(results))  # nothing shared, so that one place can be spoiled
    return copy


def estimate(value: float) -> dict[str, Any]:
    """An estimate with an interval."""
    return {
        "value": value,
        "low": value * 0.98,
        "high": value * 1.02,
        "level": 0.9,
        "n": 1_000,
        "n_effective": 50,
        "reason": None,
    }


def folds(rows: tuple[tuple[float, float, float], ...] = FOLDS) -> dict[str, Any]:
    """Folds of (pinball, its ratio to HAR-RV, coverage) and what follows from them."""
    pinball, ratios, coverage = (list(column) for column in zip(*rows, strict=True))
    return {
        "folds": [
            {"fold": n, "n_effective": 20, "pinball": p, "pinball_to_har_rv": r, "coverage_90": c}
            for n, (p, r, c) in enumerate(rows, 1)
        ],
        "pinball": float(np.mean(pinball)),
        "coverage_90": float(np.mean(coverage)),
        "variance_between_folds": float(np.std(ratios, ddof=1)),
    }


def good_inference(bundle_sha256: str) -> dict[str, Any]:
    """`inference/1` of a fast bundle."""
    return {
        "schema": "inference/1",
        "bundle_sha256": bundle_sha256,
        "horizons": {f"T{horizon}": {"mean_ms": 0.1, "p95_ms": 0.2} for horizon in HORIZONS},
        "memory_mb": 190.0,
    }


def save(told: Any, path: Path) -> Path:
    """Write JSON; NaN passes, as a careless writer would let it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))
    return path


def check(report: dict[str, Any], gate: str, name: str, horizon: str | None = None) -> dict[str, Any]:
    """One check of a report."""
    checks = next(one for one in report["gates"] if one["name"] == gate)["checks"]
    found: dict[str, Any] = next(c for c in checks if c["name"] == name and c["horizon"] == horizon)
    return found


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """The gates' statuses by name."""
    return {gate["name"]: gate["status"] for gate in report["gates"]}


def overall(score: str, value: float, horizon: str = "T54") -> Spoil:
    """Spoils one pooled walk-forward score of one horizon."""

    def spoil(told: dict[str, Any]) -> None:
        told["overall"][horizon]["pooled"][score] = estimate(value)

    return spoil
