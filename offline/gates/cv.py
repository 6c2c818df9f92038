"""Gate 1, CV quality: purged cross-validation of the bundle's recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from contracts.model.bundle import Manifest
from contracts.model.grid import HORIZONS
from offline.gates.bound import Bound
from offline.gates.check import Check, Gate, measured, not_judged
from offline.gates.policy import CvQuality
from offline.gates.results import Cpcv, Results

NAME, TITLE = "cv_quality", "CV quality"
CHECKS = ("pinball", "coverage_90", "variance_between_folds", "crossing_rate")
CROSSING = "crossing_rate_before_rearrangement"
LEVEL = 0.90


def cv_quality(
    policy: CvQuality,
    manifest: Manifest,
    results: Results,
    about: Check,
    searched: dict[str, float] | None = None,
) -> Gate:
    """Judge the folds of every horizon, if `about` says that they are this bundle's.

    `searched` holds the best pinball of each horizon's parameter search, judged beside them when given.
    """
    if about.status != "pass":
        return Gate(NAME, TITLE, (about, *not_judged(CHECKS, "the results are of another model", "results")))
    if results.cpcv is None:
        why = "the results hold no cross-validation; run `bands validate` with --cpcv"
        return Gate(NAME, TITLE, (about, *not_judged(CHECKS, why, "results")))
    checks = [about]
    for name in (f"T{horizon}" for horizon in HORIZONS):
        checks += _folds(policy, results.cpcv, name)
        checks.append(_crossing(policy.crossing_rate, manifest, name))
        if searched is not None:
            why = f"the search holds no {name}"
            best = searched.get(name)
            checks.append(
                measured("searched_pinball", best, policy.pinball, source="hpo", horizon=name, reason=why)
            )
    return Gate(NAME, TITLE, tuple(checks))


def _folds(policy: CvQuality, cpcv: Cpcv, name: str) -> list[Check]:
    folds = cpcv.horizons.get(name)
    if folds is None:
        why = f"{name} was not validated"
        return [
            measured(check, None, getattr(policy, check), source="results", horizon=name, reason=why)
            for check in CHECKS[:3]
        ]
    tested = _times_tested(cpcv.settings)
    size = sum(fold.n_effective for fold in folds.folds) // tested
    checks = []
    for check, value in (("pinball", folds.pinball), ("coverage_90", folds.coverage_90)):
        interval = _interval(folds.values(check), check == "coverage_90") if tested == 1 else (None, None)
        bound: Bound = getattr(policy, check)
        checks.append(
            measured(
                check, value, bound, source="results", horizon=name, interval=interval, n_effective=size,
                reason="no fold has an outcome",
            )
        )  # fmt: skip
    checks.append(
        measured(
            CHECKS[2],
            folds.variance_between_folds,
            policy.variance_between_folds,
            source="results",
            horizon=name,
            n=len(folds.values("pinball_to_har_rv")),
            n_effective=size,
            reason="fewer than two folds with HAR-RV beside them",
        )
    )
    return checks


def _crossing(bound: Bound, manifest: Manifest, name: str) -> Check:
    """Folds keep arranged quantiles only; the bundle's own purged folds counted crossings before that."""
    told: Any = manifest.metrics.get(name)
    value = told.get(CROSSING) if isinstance(told, dict) else None
    size = told.get("independent_outcomes") if isinstance(told, dict) else None
    return measured(
        CHECKS[3],
        float(value) if isinstance(value, int | float) else None,
        bound,
        source="manifest",
        horizon=name,
        n_effective=int(size) if isinstance(size, int | float) else None,
        reason=f"the bundle's metrics hold no {CROSSING}",
    )


def _times_tested(settings: dict[str, Any]) -> int:
    """In how many folds each block is tested; with more than one, folds are not independent."""
    groups, tested = settings.get("groups"), settings.get("test_groups")
    if not isinstance(groups, int) or not isinstance(tested, int) or not 1 <= tested < groups:
        return 1
    return math.comb(groups - 1, tested - 1)


def _interval(values: Sequence[float], is_share: bool) -> tuple[float | None, float | None]:
    """Student's interval of the mean over folds at 90 %, a share's cut at 0 and 1; None of under three."""
    if len(values) < 3:
        return None, None
    from scipy.stats import t as student  # type: ignore[import-untyped]

    half = float(student.ppf(0.5 + LEVEL / 2, len(values) - 1)) * float(np.std(values, ddof=1))
    mean = float(np.mean(values))
    half /= math.sqrt(len(values))
    return max(0.0, mean - half), min(1.0, mean + half) if is_share else mean + half
