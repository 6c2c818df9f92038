"""The hyperparameter search: what it found, how much it pruned, and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Figure, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.figures import search_figure
from offline.report.text import NOTHING, number, percent

TITLE = "Hyperparameter search"


def search_section(evidence: Evidence) -> Section:
    """A table per horizon and the history figure, where the journal is beside the results."""
    tuned = {horizon: search.best for horizon, search in evidence.searches.items() if search.best}
    if not tuned:
        return Section(TITLE, [Paragraph("Not given: results of bands hpo (option --hpo).", notice=True)])
    rows = [
        [
            f"T{horizon}",
            str(told.data.get("n_trials", NOTHING)),
            percent(told.data.get("share_pruned"), 0),
            number(told.data.get("best_pinball"), 5),
            _params(told.data.get("best_params")),
        ]
        for horizon, told in tuned.items()
    ]
    blocks: list[Block] = [
        Table(
            "Best settings",
            ["horizon", "trials", "pruned", "best pinball", "settings"],
            rows,
            "lrrrl",
            ", ".join(told.source.tag for told in tuned.values()),
            "Pinball over the purged cells of the search, log-return units.",
        )
    ]
    missing = [f"T{horizon}" for horizon in evidence.results.horizons if horizon not in tuned]
    if missing:
        blocks.append(Paragraph(f"Not searched: {', '.join(missing)}.", notice=True))
    trials = {horizon: s.trials for horizon, s in evidence.searches.items() if s.trials}
    if trials and evidence.journal is not None:
        blocks.append(
            Figure(
                "search",
                "History of the search: each finished trial, and the best so far",
                search_figure(trials),
                f"{evidence.journal.tag}. A pruned trial was stopped on part of its cells, so it has no loss "
                "that could be compared.",
            )
        )
    else:
        blocks.append(
            Paragraph("Not given: the journal of trials (journal.log), so no history is drawn.", notice=True)
        )
    return Section(TITLE, blocks)


def _params(params: Any) -> str:
    if not isinstance(params, Mapping):
        return NOTHING
    told = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in params.items())
    return ", ".join(told)
