"""What the report does not know, and where each number comes from."""

from __future__ import annotations

import numpy as np

from offline.report.document import Bullets, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.text import listed


def missing_section(evidence: Evidence) -> Section:
    """Every optional input that was not given, and every figure that could not be told."""
    optional = {
        "hyperparameter search (--hpo)": evidence.searches,
        "bundle (--bundle)": evidence.bundle,
        "quality gates (--gates)": evidence.gates,
        "comparison of calibrators (--calibration)": evidence.calibration,
        "inference benchmark (--inference)": evidence.inference,
        "leaderboard of peers (--forecast)": evidence.forecast,
    }
    items = [f"Not given: {name}." for name, told in optional.items() if not told]
    results = evidence.results
    if results.cpcv is None:
        items.append("Cross-validation was not run.")
    undefined = [
        f"{name}: {ic.reason}"
        for name in results.names
        if (ic := results.estimate(name, "pooled", "ic")).value is None
    ]
    if undefined:
        items.append(f"The information coefficient is undefined ({listed(undefined)}).")
    items += [_unlabelled(evidence)]
    items.append("Training time, temperatures and sign-offs are in none of the files.")
    return Section("What is missing", [Bullets(items)])


def source_section(evidence: Evidence) -> Section:
    """Each input with its hash: numbers cite them as S1, S2 …"""
    rows = [[one.tag, one.what, one.name, one.sha256] for one in evidence.sources]
    bars = [
        [symbol, f"{told.bars:,}", told.first_open_time[:10], told.last_open_time[:10], told.sha256]
        for symbol, told in evidence.results.bars.items()
    ]
    return Section(
        "Sources",
        [
            Paragraph("Every table and figure names the file its numbers come from."),
            Table("Files read", ["cited as", "what", "file", "sha256"], rows, "llll", "this report"),
            Table(
                "Bars that were validated",
                ["symbol", "bars", "first", "last", "sha256"],
                bars,
                "lrlll",
                f"{evidence.results_source.tag} bars",
            ),
        ],
    )


def _unlabelled(evidence: Evidence) -> str:
    issued = {h: int(np.isfinite(b.ref_price).sum()) for h, b in evidence.bands.items()}
    known = {h: int(b.known.sum()) for h, b in evidence.bands.items()}
    told = listed(
        [f"T{horizon} {issued[horizon] - known[horizon]:,} of {issued[horizon]:,}" for horizon in issued]
    )
    return f"Bands without a finite width or without an outcome, counted nowhere: {told}."
