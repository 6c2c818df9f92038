"""The risks that were named before, and what the evidence says about each."""

from __future__ import annotations

import numpy as np

from offline.report.bands import n_effective, pooled_mean, sampling_error
from offline.report.document import Section, Table
from offline.report.evidence import Evidence
from offline.report.figures.coverage import Z_90
from offline.report.results import Window
from offline.report.sections.limits import COVERAGE_90, LATENCY_MS, within
from offline.report.text import NOTHING, day, listed, number, percent, with_interval

LAST_WINDOWS_DAYS = 365
_Row = list[str]


def risk_section(evidence: Evidence) -> Section:
    """One row per risk: what would be done, what the evidence says, and whether that settles it."""
    rows = [
        _coverage(evidence),
        _single_years(evidence),
        _recent(evidence),
        _overfitting(evidence),
        _few_outcomes(evidence),
        _latency(evidence),
        [
            "thermal throttling",
            "20 threads, fall back to 16, watch temperature",
            "no file given tells temperatures; it concerns training, not the bands",
            "open",
        ],
    ]
    table = Table(
        "Named risks",
        ["risk", "answer to it", "evidence", "status"],
        rows,
        "llll",
        evidence.results_source.tag + (f", {evidence.inference.source.tag}" if evidence.inference else ""),
        "not seen: nothing in the evidence speaks for it; seen: it has come; open: can not be said yet.",
    )
    return Section("Risks", [table])


def _coverage(evidence: Evidence) -> _Row:
    results = evidence.results
    scopes = [(name, scope) for name in results.names for scope in ("pooled", *results.symbols)]
    outside = []
    for name, scope in scopes:
        estimate = results.estimate(name, scope, "coverage_90")
        if not within(estimate.value, COVERAGE_90):
            outside.append(f"{name} {scope} {with_interval(estimate, 1, 100, ' %')}")
    told = (
        f"outside 87–93 %: {listed(outside)}"
        if outside
        else "every horizon, pooled and by symbol, within 87–93 %"
    )
    return [
        "coverage outside the range out of sample",
        "mandatory recalibration",
        told,
        "seen" if outside else "not seen",
    ]


def _single_years(evidence: Evidence) -> _Row:
    """Average coverage can be right while every single year is wrong."""
    outside = []
    for bands in evidence.bands.values():
        hits, years = bands.hits(0.90), bands.years()
        for year in np.unique(years).tolist():
            mine = hits[years == year]
            size = n_effective(mine, bands.horizon)
            covered = pooled_mean(mine)
            if covered is not None and abs(covered - 0.90) > Z_90 * sampling_error(0.90, size):
                outside.append(f"T{bands.horizon} {year} {percent(covered)}")
    told = (
        f"further from 90 % than chance alone: {listed(outside)}"
        if outside
        else "no calendar year further from 90 % than chance alone would bring"
    )
    return [
        "right on average, wrong in single years",
        "calibration that keeps learning",
        told,
        "seen" if outside else "not seen",
    ]


def _recent(evidence: Evidence) -> _Row:
    """The last year alone: what is oldest in the average must not hide what is newest."""
    results = evidence.results
    recent = _last_year(results.windows)
    means = {}
    for name in results.names:
        pairs = [(w.score(name, "coverage_90"), w.score(name, "n")) for w in recent]
        known = [(c, n) for c, n in pairs if c is not None and n]
        if known:
            means[name] = sum(c * n for c, n in known) / sum(n for _, n in known)
    if not means:
        return ["the most recent period is worse", "recalibrate, retrain", "no outcome yet", "open"]
    span = f"refits since {day(recent[0].start)}: "
    told = span + ", ".join(f"{name} {percent(value)}" for name, value in means.items())
    worst = [value for value in means.values() if not within(value, COVERAGE_90)]
    return ["the most recent period is worse", "recalibrate, retrain", told, "seen" if worst else "not seen"]


def _last_year(windows: list[Window]) -> list[Window]:
    last = windows[-1].stop
    since = f"{int(last[:4]) - 1}{last[4:]}"
    return [window for window in windows if window.start >= since] or windows[-1:]


def _overfitting(evidence: Evidence) -> _Row:
    results = evidence.results
    ratios = {name: results.estimate(name, "pooled", "pinball_to_har_rv") for name in results.names}
    told = "walk-forward pinball / HAR-RV " + ", ".join(
        f"{name} {with_interval(ratio, 3)}" for name, ratio in ratios.items()
    )
    if results.cpcv:
        newest = {
            name: max(told.folds, key=lambda fold: fold.last).pinball_to_har_rv
            for name, told in results.cpcv.horizons.items()
            if told.folds
        }
        told += "; newest fold " + ", ".join(f"{name} {number(value, 3)}" for name, value in newest.items())
    lost = [r for r in ratios.values() if r.low is not None and r.low > 1]
    won = all(r.high is not None and r.high < 1 for r in ratios.values())
    settled = evidence.searches != {} or evidence.bundle is not None
    status = "seen" if lost else "not seen" if won and settled else "open"
    return ["HPO overfitting", "judge on the most recent period and against HAR-RV", told, status]


def _few_outcomes(evidence: Evidence) -> _Row:
    results = evidence.results
    sizes = [results.estimate(name, "pooled", "coverage_90").n_effective for name in results.names]
    wide = [
        name
        for name in results.names
        if (e := results.estimate(name, "pooled", "coverage_90")).low is None
        or e.high is None
        or e.low < COVERAGE_90[0]
        or e.high > COVERAGE_90[1]
    ]
    told = f"{min(sizes):,} to {max(sizes):,} independent outcomes"
    told += (
        f"; the coverage interval reaches outside 87–93 % at {listed(wide)}" if wide else "; intervals inside"
    )
    return [
        "overlap feigns certainty",
        "intervals by block bootstrap, effective sample sizes",
        told,
        "open" if wide else "not seen",
    ]


def _latency(evidence: Evidence) -> _Row:
    told = evidence.inference
    answer = ["latency", "fewer trees, cached features"]
    measured = told.data.get("targets", {}).get("latency_ms", {}).get("measured") if told else None
    if not isinstance(measured, int | float):
        return [*answer, NOTHING if told else "inference benchmark not given", "open"]
    status = "not seen" if measured < LATENCY_MS[0] else "seen"
    return [*answer, f"worst 95 % latency {measured:.3f} ms of {LATENCY_MS[0]:.0f} ms allowed", status]
