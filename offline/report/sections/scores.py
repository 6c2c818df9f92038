"""Out-of-sample scores per horizon and per symbol, with the reliability diagram and the PIT histogram."""

from __future__ import annotations

from collections.abc import Sequence

from offline.report.document import Block, Figure, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.figures import pit_figure, reliability_figure
from offline.report.results import Results
from offline.report.text import number, with_interval

COVERAGE = ("bands with an outcome", "independent", "coverage 90", "coverage 50", "calibration error")
LOSSES = (
    "pinball",
    "pinball / HAR-RV",
    "pinball / ewma-ecdf",
    "Winkler 90",
    "Winkler 90 / HAR-RV",
    "Winkler 90 / ewma-ecdf",
)
NOTE = "Losses in log-return units; a ratio below 1 is better than the baseline on the very same bands."


def horizon_section(evidence: Evidence) -> Section:
    """All symbols pooled, per horizon; then how the five quantiles are met."""
    blocks: list[Block] = [*_tables(evidence, ["pooled"])]
    known = [bands for bands in evidence.bands.values() if bands.known.any()]
    source = f"Computed from {evidence.bands_source.tag}"
    if known:
        blocks += [
            Figure(
                "reliability",
                "Reliability: how many outcomes fell at or below each quantile",
                reliability_figure([(bands.horizon, bands.below()) for bands in known]),
                f"{source}. On the right, an interval that holds 0 can not be told from perfect.",
            ),
            Figure(
                "pit",
                "PIT histogram: where outcomes fell among the five issued quantiles",
                pit_figure([(bands.horizon, bands.cells()) for bands in known]),
                f"{source}. Six cells, since five quantiles say no more; 90 % block-bootstrap intervals.",
            ),
        ]
    else:
        blocks.append(Paragraph("No band has an outcome yet: nothing to draw.", notice=True))
    return Section("Per horizon, out of sample", blocks)


def symbol_section(evidence: Evidence) -> Section:
    """The same table by symbol."""
    return Section("Per symbol", _tables(evidence, evidence.results.symbols))


def _tables(evidence: Evidence, scopes: Sequence[str]) -> list[Table]:
    results, tag = evidence.results, evidence.results_source.tag
    where = f"{tag} overall.T….{'pooled' if scopes == ['pooled'] else 'SYMBOL'}"
    told = (
        ("Coverage", COVERAGE, _coverage_cells, "Brackets: 90 % block-bootstrap intervals."),
        ("Losses", LOSSES, _loss_cells, NOTE),
    )
    return [
        Table(
            f"{heading}, {'pooled over symbols' if scopes == ['pooled'] else 'each symbol alone'}",
            ["horizon", "symbol", *columns],
            [[name, scope, *cells(results, name, scope)] for name in results.names for scope in scopes],
            "ll" + "r" * len(columns),
            where,
            note,
        )
        for heading, columns, cells, note in told
    ]


def _coverage_cells(results: Results, name: str, scope: str) -> list[str]:
    ninety = results.estimate(name, scope, "coverage_90")
    return [
        f"{ninety.n:,}",
        f"{ninety.n_effective:,}",
        with_interval(ninety, 1, 100, " %"),
        with_interval(results.estimate(name, scope, "coverage_50"), 1, 100, " %"),
        number(results.estimate(name, scope, "calibration_error").value, 3),
    ]


def _loss_cells(results: Results, name: str, scope: str) -> list[str]:
    def of(score: str, digits: int = 3) -> str:
        return with_interval(results.estimate(name, scope, score), digits)

    return [
        number(results.estimate(name, scope, "pinball").value, 4),
        of("pinball_to_har_rv"),
        of("pinball_to_ewma_ecdf"),
        number(results.estimate(name, scope, "winkler_90").value, 3),
        of("winkler_90_to_har_rv"),
        of("winkler_90_to_ewma_ecdf"),
    ]
