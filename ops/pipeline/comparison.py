"""The tuned model beside the grid-searched one, on the same walk-forward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from offline.report.document import Table
from offline.report.results import Estimate
from offline.report.text import with_interval

SCORES = (
    ("pinball_to_har_rv", 3, 1.0, ""),
    ("winkler_90_to_har_rv", 3, 1.0, ""),
    ("coverage_90", 1, 100.0, " %"),
    ("coverage_50", 1, 100.0, " %"),
)


def contingency_table(ours: Path, contingency: Path) -> Table:
    """A row per horizon and model, from the `results.json` of two runs over the same windows."""
    models = {"HPO": _overall(ours), "grid search (contingency)": _overall(contingency)}
    rows = [
        [
            horizon,
            model,
            *(
                with_interval(Estimate.model_validate(told[horizon]["pooled"][score]), digits, unit, sign)
                for score, digits, unit, sign in SCORES
            ),
        ]
        for horizon in models["HPO"]
        for model, told in models.items()
    ]
    return Table(
        "HPO, grid search and HAR-RV on the same walk-forward",
        ["horizon", "model", "pinball / HAR-RV", "Winkler 90 / HAR-RV", "coverage 90", "coverage 50"],
        rows,
        "llrrrr",
        f"{ours.name} of the validation and of the contingency, overall.T….pooled",
        "Below 1 is better than HAR-RV. In brackets: block-bootstrap intervals.",
    )


def _overall(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text())["overall"]
    return told
