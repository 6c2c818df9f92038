"""Ours beside HPO's alternatives and the baselines, each on the same splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Paragraph, Section, Table
from offline.report.evidence import Evidence, Told
from offline.report.results import Estimate
from offline.report.sections.leaderboard import leaderboard_blocks
from offline.report.text import NOTHING, number, with_interval

RATIOS = (
    ("HAR-RV", "pinball_to_har_rv", "winkler_90_to_har_rv"),
    ("ewma-ecdf", "pinball_to_ewma_ecdf", "winkler_90_to_ewma_ecdf"),
)


def comparison_section(evidence: Evidence) -> Section:
    """Walk-forward, search cells and leaderboard: three sets of splits, never mixed in one table."""
    results = evidence.results
    rows = [
        [
            name,
            against,
            with_interval(results.estimate(name, "pooled", pinball), 3),
            with_interval(results.estimate(name, "pooled", winkler), 3),
            _said(results.estimate(name, "pooled", pinball)),
        ]
        for name in results.names
        for against, pinball, winkler in RATIOS
    ]
    blocks: list[Block] = [
        Table(
            "On the walk-forward: ours divided by the baseline, band by band",
            ["horizon", "against", "pinball", "Winkler 90", "pinball is"],
            rows,
            "llrrl",
            f"{evidence.results_source.tag} overall.T….pooled",
            "Below 1 is better. Better or worse is said only when the whole interval is on one side of 1.",
        ),
        *_search_blocks(evidence),
        *leaderboard_blocks(evidence),
    ]
    return Section("Comparison: HPO, grid search, HAR-RV, ewma-ecdf", blocks)


def _said(ratio: Estimate) -> str:
    if ratio.low is None or ratio.high is None:
        return NOTHING if ratio.value is None else "not told apart (no interval)"
    return "better" if ratio.high < 1 else "worse" if ratio.low > 1 else "not told apart"


def _search_blocks(evidence: Evidence) -> list[Block]:
    if not evidence.searches:
        return [Paragraph("HPO and grid search not given (option --hpo): not compared.", notice=True)]
    rows, cited = [], []
    for horizon, search in evidence.searches.items():
        best, grid = search.best, search.grid
        cited += [told.source.tag for told in (best, grid) if told]
        ours = best.data if best else {}
        rows.append(
            [
                f"T{horizon}",
                _loss(best, "best_pinball"),
                _loss(grid, "best_pinball") if _same_cells(best, grid) else NOTHING,
                _loss(best, "baseline", "pinball"),
                _loss(best, "empirical", "pinball"),
                _ratio(ours, "baseline"),
                _ratio(ours, "empirical"),
            ]
        )
    blocks: list[Block] = [
        Table(
            "On the cells of the search: pinball of each method's best settings",
            [
                "horizon",
                "HPO",
                "grid search",
                "defaults",
                "scaled quantiles",
                "HPO / defaults",
                "HPO / scaled",
            ],
            rows,
            "lrrrrrr",
            ", ".join(cited),
            "The best of many trials on the cells that chose it flatters HPO; the walk-forward does not. "
            "Ratios are of standardised losses.",
        )
    ]
    if not any(search.grid for search in evidence.searches.values()):
        blocks.append(
            Paragraph("Grid search not given (grid_params_T=….json): its column is empty.", notice=True)
        )
    elif any(s.best and s.grid and not _same_cells(s.best, s.grid) for s in evidence.searches.values()):
        blocks.append(
            Paragraph("Some grid searches ran on other bars or cells than HPO: not comparable.", notice=True)
        )
    return blocks


def _same_cells(best: Told | None, grid: Told | None) -> bool:
    if best is None or grid is None:
        return grid is not None

    def bars(told: Told) -> Any:
        data = told.data.get("data", {})
        return {k: v for k, v in data.items() if k != "study"}, told.data.get("cells")

    return bool(bars(best) == bars(grid))


def _loss(told: Told | None, *keys: str) -> str:
    value: Any = told.data if told else None
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return number(value, 5) if isinstance(value, int | float) else NOTHING


def _ratio(told: Mapping[str, Any], against: str) -> str:
    part = told.get(against)
    value = part.get("ratio_of_best") if isinstance(part, Mapping) else None
    return number(value, 4) if isinstance(value, int | float) else NOTHING
