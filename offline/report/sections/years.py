"""Through time: each year, the rolling coverage, each window, and the bands beside the price."""

from __future__ import annotations

import numpy as np

from offline.report.bands import HorizonBands, n_effective, pooled_mean, sampling_error
from offline.report.document import Block, Figure, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.figures import coverage_figure, fan_figure, windows_figure
from offline.report.figures.coverage import Z_90, window_bars
from offline.report.figures.windows import has_ratios
from offline.report.text import NOTHING, number, percent


def time_section(evidence: Evidence) -> Section:
    """The year table, then the figures that have a calendar."""
    rows = [row for bands in evidence.bands.values() for row in year_rows(bands)]
    source = f"Computed from {evidence.bands_source.tag}"
    blocks: list[Block] = [
        Table(
            "Each calendar year of issue, pooled over symbols",
            [
                "horizon",
                "year",
                "bands",
                "independent",
                "coverage 90",
                "chance",
                "coverage 50",
                "chance",
                "pinball",
            ],
            rows,
            "llrrrrrrr",
            source,
            "Chance: ± of a 90 % interval around the nominal share for that many independent outcomes. "
            "Pinball in log-return units moves with the market's volatility.",
        )
    ]
    known = [bands for bands in evidence.bands.values() if bands.known.any()]
    if not known:
        blocks.append(Paragraph("No band has an outcome yet: no figure through time.", notice=True))
        return Section("Through time", blocks)
    days = window_bars(known[0]) / 6
    results = evidence.results
    loss = "pinball beside HAR-RV's" if has_ratios(results) else "pinball loss"
    symbol = fan_symbol(evidence)
    blocks += [
        Figure(
            "coverage",
            f"Coverage over the last {days:.0f} days of bands, 90 % (solid) and 50 % (dotted)",
            coverage_figure(known),
            f"{source}. Shaded: where 90 % of such windows would lie if the bands were exactly right.",
        ),
        Figure(
            "windows",
            f"Walk-forward windows: coverage of the 90 % band and {loss}",
            windows_figure(results),
            f"{evidence.results_source.tag} windows[].scores. A short window holds few independent outcomes: "
            "single bars far from 90 % are expected."
            + (
                ""
                if has_ratios(results)
                else " The windows carry no HAR-RV score: its ratio is told overall."
            ),
        ),
        Figure(
            "fan",
            f"{symbol}: the price, and the bands issued {known[0].horizon} bars "
            f"({known[0].horizon // 6} days) earlier, last year",
            fan_figure(known[0], symbol),
            f"{source}, one band a day.",
        ),
    ]
    return Section("Through time", blocks)


def fan_symbol(evidence: Evidence) -> str:
    """The leader where its bands are there, else the first symbol."""
    symbols = next(iter(evidence.bands.values())).symbols
    leader = evidence.results.leader
    return leader if leader is not None and leader in symbols else symbols[0]


def year_rows(bands: HorizonBands) -> list[list[str]]:
    """One row per calendar year with bands."""
    ninety, fifty, losses, years = bands.hits(0.90), bands.hits(0.50), bands.losses(), bands.years()
    rows = []
    for year in np.unique(years).tolist():
        mine = years == year
        size = n_effective(ninety[mine], bands.horizon)
        if not size:
            continue
        issued = int(np.isfinite(bands.ref_price[mine]).sum())
        rows.append(
            [
                f"T{bands.horizon}",
                str(year),
                f"{issued:,}",
                f"{size:,}",
                percent(pooled_mean(ninety[mine])),
                _chance(0.90, size),
                percent(pooled_mean(fifty[mine])),
                _chance(0.50, size),
                number(pooled_mean(losses[mine]), 4),
            ]
        )
    return rows


def _chance(coverage: float, size: int) -> str:
    return f"± {100 * Z_90 * sampling_error(coverage, size):.1f}" if size else NOTHING
