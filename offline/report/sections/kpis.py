"""The key figures against minimum and ideal, horizon by horizon."""

from __future__ import annotations

from offline.report.document import Section, Table
from offline.report.evidence import Evidence
from offline.report.results import Estimate
from offline.report.sections.limits import (
    COVERAGE_90,
    COVERAGE_90_IDEAL,
    LATENCY_MS,
    MEMORY_MB,
    graded,
    within,
)
from offline.report.text import NOTHING, number, with_interval

_Row = list[str]


def kpi_section(evidence: Evidence) -> Section:
    """Pinball, coverage, MAE, IC, crossing per horizon; latency and memory once; what is unknown says so."""
    by_horizon = [_horizon_rows(evidence, name) for name in evidence.results.names]
    rows = [row for one_figure in zip(*by_horizon, strict=True) for row in one_figure]
    rows += _inference_rows(evidence)
    rows.append(
        ["training time", "all", NOTHING, NOTHING, "< 3,000 s", "< 2,000 s", "unknown", "in no file given"]
    )
    headings = ["figure", "horizon", "value", "independent", "minimum", "ideal", "status", "remark"]
    table = Table(
        "Walk-forward, all symbols pooled, and the benchmark",
        headings,
        rows,
        "llrrllll",
        f"{evidence.results_source.tag} overall.T….pooled"
        + (f"; {evidence.inference.source.tag} targets" if evidence.inference else ""),
        "Status ideal, minimum (required, reached), missed or unknown is of the value, not of its interval. "
        "MAE: a zero median has 0.06 to 0.16 on such bars. Crossing: of the learned quantiles, before they "
        "are sorted.",
    )
    return Section("Key figures", [table])


def missed_figures(evidence: Evidence) -> list[str]:
    """The figures that some horizon does not reach, by name."""
    rows = [row for name in evidence.results.names for row in _horizon_rows(evidence, name)]
    return list(dict.fromkeys(figure for figure, *_, status, _ in rows if status == "missed"))


def _horizon_rows(evidence: Evidence, name: str) -> list[_Row]:
    def of(score: str) -> Estimate:
        return evidence.results.estimate(name, "pooled", score)

    size = f"{of('pinball').n_effective:,}"
    coverage, ic = of("coverage_90"), of("ic")
    inside = within(coverage.value, COVERAGE_90)
    status = (
        "unknown"
        if inside is None
        else "missed"
        if not inside
        else "ideal"
        if within(coverage.value, COVERAGE_90_IDEAL)
        else "minimum"
    )
    pinball, mae, crossing = of("pinball"), of("mae"), of("crossing_rate")
    return [
        [
            "pinball",
            name,
            with_interval(pinball, 4),
            size,
            "< 0.05",
            "< 0.03",
            graded(pinball.value, 0.05, 0.03),
            "",
        ],
        [
            "coverage 90",
            name,
            with_interval(coverage, 1, 100, " %"),
            size,
            "87–93 %",
            "89–91 %",
            status,
            _both_sides(coverage),
        ],
        [
            "MAE",
            name,
            with_interval(mae, 4),
            size,
            "< 0.05",
            "< 0.03",
            graded(mae.value, 0.05, 0.03),
            "",
        ],
        [
            "IC (Spearman)",
            name,
            number(ic.value, 3),
            size,
            "> 0.05",
            "> 0.10",
            graded(ic.value, 0.05, 0.10, larger_is_better=True),
            (ic.reason or "undefined") if ic.value is None else "",
        ],
        [
            "crossing",
            name,
            with_interval(crossing, 2, 100, " %"),
            size,
            "< 1 %",
            "< 0.1 %",
            graded(crossing.value, 0.01, 0.001),
            "",
        ],
    ]


def _both_sides(coverage: Estimate) -> str:
    if coverage.low is None or coverage.high is None:
        return f"no interval: {coverage.reason}" if coverage.reason else ""
    low, high = COVERAGE_90
    return "" if low <= coverage.low and coverage.high <= high else "its interval reaches outside 87–93 %"


def _inference_rows(evidence: Evidence) -> list[_Row]:
    told = evidence.inference
    targets = told.data.get("targets", {}) if told else {}
    latency = targets.get("latency_ms", {}).get("measured") if isinstance(targets, dict) else None
    memory = told.data.get("memory_mb") if told else None
    remark = "" if told else "inference benchmark not given"
    return [
        [
            "latency, worst p95",
            "all",
            NOTHING if latency is None else f"{latency:.3f} ms",
            NOTHING,
            "< 1 s",
            "< 500 ms",
            graded(latency, *LATENCY_MS),
            remark,
        ],
        [
            "memory",
            "all",
            NOTHING if memory is None else f"{memory:.0f} MB",
            NOTHING,
            "< 2 GB",
            NOTHING,
            "unknown" if memory is None else "met" if memory < MEMORY_MB else "missed",
            remark,
        ],
    ]
