"""The verdict on a bundle and `quality_gates_report.json`, schema `quality-gates/1`.

| key | holds |
| --- | --- |
| `schema` | `quality-gates/1` |
| `go` | whether it may go live |
| `decision` | `passed` of `asked` gates, `always` (names that must pass), `reasons` against |
| `bundle` | label, version, sha256 (of its manifest), symbols, leader, trained_until |
| `sources` | by name (`results`, `manifest`, `policy`, `inference`, `hpo`): file name and sha256, or null |
| `gates` | the four: name, title, status (`pass`, `fail`, `unknown`), checks |
| a check | name, status, detail (a sentence), horizon (`T42` … or null), value, low, high, n, n_effective, |
| | threshold, missed_by, interval_inside, source (a key of `sources`, or bundle, registry, worker) |
| `symbols` | `T42` … → each symbol's walk-forward coverage_90: value, low, high, n, n_effective, reason |
| `kpis` | name, horizon, status (`ideal`, `minimum`, `missed`, `unknown`), value, minimum, ideal, reason |
| `policy` | every threshold that was applied |

The same evidence gives the same bytes: no clock, no folder, no address is in it. Intervals are of 90 %:
Student's over folds in gate 1, block bootstrap in gate 2. The value decides, not its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import write_json
from contracts.model.bundle.folder import MANIFEST
from contracts.model.grid import HORIZONS
from offline.gates.cv import cv_quality
from offline.gates.kpis import kpis
from offline.gates.model import Examined
from offline.gates.out_of_sample import out_of_sample
from offline.gates.policy import PolicyFile
from offline.gates.production import Inference, production
from offline.gates.registered import Registered
from offline.gates.results import Results
from offline.gates.source import Source
from offline.gates.subject import about_this_bundle
from offline.gates.technical import technical

GATES_SCHEMA = "quality-gates/1"
REPORT = "quality_gates_report.json"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gates are judged on, already read."""

    examined: Examined
    results: tuple[Source, Results]
    registered: Registered
    exposed: Sequence[str] = ()
    inference: tuple[Source, Inference] | None = None
    searched: tuple[Sequence[Source], Mapping[str, float]] | None = None


def judge(evidence: Evidence, policy_file: PolicyFile) -> dict[str, Any]:
    """Judge a bundle; what `quality_gates_report.json` holds."""
    policy, examined, results = policy_file.policy, evidence.examined, evidence.results[1]
    manifest = examined.manifest
    about = about_this_bundle(manifest, results, policy.evidence.unvalidated_days)
    inference = evidence.inference[1] if evidence.inference else None
    searched = dict(evidence.searched[1]) if evidence.searched else None
    gates = (
        cv_quality(policy.cv_quality, manifest, results, about, searched),
        out_of_sample(policy.out_of_sample, results, about),
        technical(examined, evidence.registered),
        production(
            policy.production, manifest, examined.sha256, inference, evidence.registered, evidence.exposed
        ),
    )
    asked, always = policy.go_live.gates, policy.go_live.always
    reasons = against([(gate.name, gate.status) for gate in gates], asked, always)
    passed = sum(gate.status == "pass" for gate in gates)
    return {
        "schema": GATES_SCHEMA,
        "go": not reasons,
        "decision": {"passed": passed, "asked": asked, "always": list(always), "reasons": reasons},
        "bundle": {
            "label": f"{manifest.version}+{examined.sha256[:12]}",
            "version": manifest.version,
            "sha256": examined.sha256,
            "symbols": list(manifest.symbols),
            "leader": manifest.features.leader,
            "trained_until": max(data.last_open_time for data in manifest.training.values())
            .isoformat()
            .replace("+00:00", "Z"),
        },
        "sources": _sources(evidence, policy_file),
        "gates": [gate.to_json() for gate in gates],
        "symbols": _coverage(results) if about.status == "pass" else {},
        "kpis": kpis(policy.kpis, manifest, examined.sha256, results, about, inference),
        "policy": policy.model_dump(mode="json", exclude_none=True),
    }


def against(gates: Sequence[tuple[str, str]], asked: int, always: Sequence[str]) -> list[str]:
    """Why it may not go live; nothing when at least `asked` gates pass, those of `always` among them.

    >>> against([("a", "pass"), ("b", "fail")], 1, ["b"])
    ['b must always pass, and is fail']
    """
    passed = sum(status == "pass" for _, status in gates)
    reasons = [f"{name} must always pass, and is {status}" for name, status in gates
               if name in always and status != "pass"]  # fmt: skip
    if passed < asked:
        reasons.append(f"{passed} of {len(gates)} gates pass, asked are {asked}")
    return reasons


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report, whole or not at all; raises `ValueError` for a number JSON has no text for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, report, sort_keys=True)


def _sources(evidence: Evidence, policy_file: PolicyFile) -> dict[str, Any]:
    policy = Source(policy_file.name, policy_file.sha256).to_json()
    return {
        "results": evidence.results[0].to_json(),
        "manifest": Source(MANIFEST, evidence.examined.sha256).to_json(),
        "policy": policy | {"is_default": policy_file.is_default},
        "inference": evidence.inference[0].to_json() if evidence.inference else None,
        "hpo": [source.to_json() for source in evidence.searched[0]] if evidence.searched else None,
    }


def _coverage(results: Results) -> dict[str, dict[str, Any]]:
    return {
        name: {symbol: results.overall[name][symbol].coverage_90.model_dump() for symbol in results.symbols}
        for name in (f"T{horizon}" for horizon in HORIZONS)
        if name in results.overall
    }
