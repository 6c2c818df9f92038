"""Every peer on the same rows, as `leaderboard.json` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Paragraph, Table
from offline.report.evidence import Evidence
from offline.report.results import Estimate
from offline.report.text import NOTHING, with_interval


def leaderboard_blocks(evidence: Evidence) -> list[Block]:
    """The pooled table of all peers, with a notice where it is of other bands or lacks a peer."""
    told = evidence.forecast
    if told is None:
        return [Paragraph("Leaderboard of peers not given (option --forecast).", notice=True)]
    said = told.data.get("predictions", {}).get("sha256")
    blocks: list[Block] = []
    if said != evidence.bands_source.sha256:
        blocks.append(Paragraph("The leaderboard scored other bands than these results hold.", notice=True))
    rows = [
        [name, model, *_scores(scores.get("pooled", {}))]
        for name, board in told.data.get("horizons", {}).items()
        for model, scores in board.get("models", {}).items()
    ]
    blocks.append(
        Table(
            "Leaderboard: every model on the same rows, pooled over symbols",
            [
                "horizon",
                "model",
                "pinball / HAR-RV",
                "Winkler 90 / HAR-RV",
                "coverage 90",
                "coverage 50",
                "independent",
            ],
            rows,
            "llrrrrr",
            f"{told.source.tag} horizons.T….models",
            "bands is ours.",
        )
    )
    left_out = told.data.get("peers", {})
    silent = [
        f"{n} ({p['left_out']})" for n, p in left_out.items() if isinstance(p, Mapping) and p.get("left_out")
    ]
    if silent:
        blocks.append(Paragraph(f"Left out of the leaderboard: {'; '.join(silent)}.", notice=True))
    return blocks


def _scores(pooled: Mapping[str, Any]) -> list[str]:
    def of(name: str, digits: int, unit: float = 1.0, sign: str = "") -> str:
        value = pooled.get(name)
        return with_interval(Estimate.model_validate(value), digits, unit, sign) if value else NOTHING

    size = pooled.get("n_effective")
    return [
        of("pinball_to_har_rv", 3),
        of("winkler_90_to_har_rv", 3),
        of("coverage_90", 1, 100, " %"),
        of("coverage_50", 1, 100, " %"),
        NOTHING if size is None else f"{size:,}",
    ]
