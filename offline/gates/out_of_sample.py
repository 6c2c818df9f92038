"""Gate 2, out of sample: the walk-forward, as it would have run live."""

from __future__ import annotations

from contracts.model.grid import HORIZONS
from offline.gates.check import Check, Gate, measured, not_judged
from offline.gates.policy import OutOfSample
from offline.gates.results import Results

NAME, TITLE = "out_of_sample", "Out of sample"
SCORES = ("coverage_90", "coverage_50", "calibration_error", "winkler_90_to_har_rv")
SHARE = "scored_share"


def out_of_sample(policy: OutOfSample, results: Results, about: Check) -> Gate:
    """Judge the pooled scores of every horizon, if `about` says that they are this bundle's."""
    if about.status != "pass":
        return Gate(
            NAME, TITLE, (about, *not_judged((*SCORES, SHARE), "the results are of another model", "results"))
        )
    checks = [about]
    for horizon in HORIZONS:
        name = f"T{horizon}"
        scopes = results.overall.get(name)
        for score in SCORES:
            told = getattr(scopes["pooled"], score) if scopes else None
            checks.append(
                measured(
                    score,
                    told.value if told else None,
                    getattr(policy, score),
                    source="results",
                    horizon=name,
                    interval=(told.low, told.high) if told else (None, None),
                    n=told.n if told else None,
                    n_effective=told.n_effective if told else None,
                    reason=told.reason if told else f"{name} was not validated",
                )
            )
        checks.append(_finite(policy, results, horizon))
    return Gate(NAME, TITLE, tuple(checks))


def _finite(policy: OutOfSample, results: Results, horizon: int) -> Check:
    """Bands of infinite width are never scored: nearly all that are old enough must have a score."""
    name = f"T{horizon}"
    counts = [window.scores[name]["pooled"] for window in results.windows if name in window.scores]
    due = sum(count.bands for count in counts) - horizon * len(results.symbols)
    scored = sum(count.n for count in counts)
    return measured(
        SHARE,
        min(1.0, scored / due) if due > 0 else None,
        policy.scored_share,
        source="results",
        horizon=name,
        n=scored,
        reason="no band is old enough for an outcome",
    )
