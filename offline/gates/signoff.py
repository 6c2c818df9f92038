"""When a bundle may be signed off: its own gates say go, and its own walk-forward coverage is in range.

A report that was written by hand can agree with itself: gates 1 and 2 are judged again from the results.
"""

from __future__ import annotations

from contracts.errors import BadInputError
from contracts.model.bundle import Manifest
from contracts.model.grid import HORIZONS
from offline.gates.bound import Bound
from offline.gates.cv import cv_quality
from offline.gates.out_of_sample import out_of_sample
from offline.gates.policy import Policy
from offline.gates.results import Results
from offline.gates.subject import about_this_bundle
from offline.gates.told import ToldGates

COVERAGE_90 = Bound(between=(0.87, 0.93))
"""What both roles sign for; no policy widens it."""


def refuse_unready(manifest: Manifest, results: Results, gates: ToldGates, policy: Policy) -> None:
    """Raise `BadInputError` with every reason why this bundle can not be signed off."""
    reasons = []
    about = about_this_bundle(manifest, results, policy.evidence.unvalidated_days)
    if about.status != "pass":
        reasons.append(about.detail)
    for name in (f"T{horizon}" for horizon in HORIZONS):
        scopes = results.overall.get(name)
        value = scopes["pooled"].coverage_90.value if scopes else None
        if value is None:
            reasons.append(f"{name} has no walk-forward coverage")
        elif not COVERAGE_90.holds(value):
            reasons.append(f"{name} covers {value:.2%} out of sample")
    if not gates.go:
        reasons.append("the gates say no-go")
    said = {gate.name: gate.status for gate in gates.gates}
    again = (
        cv_quality(policy.cv_quality, manifest, results, about),
        out_of_sample(policy.out_of_sample, results, about),
    )
    reasons += [
        f"{gate.name} is {gate.status} by these results, the report says pass"
        for gate in again
        if said[gate.name] == "pass" and gate.status != "pass"
    ]
    if reasons:
        raise BadInputError(
            "expected a go of the gates and walk-forward coverage of the 90 % band of 87 to 93 % at every "
            f"horizon, found: {'; '.join(reasons)}; recalibrate or retrain before signing"
        )
