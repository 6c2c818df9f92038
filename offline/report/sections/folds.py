"""Purged cross-validation: the means over folds and how far folds differ."""

from __future__ import annotations

from offline.report.document import Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.sections.limits import SPREAD_BETWEEN_FOLDS
from offline.report.text import NOTHING, day, number, percent

TITLE = "Purged cross-validation"


def fold_section(evidence: Evidence) -> Section:
    """Two tables: per horizon, and fold by fold."""
    cpcv, tag = evidence.results.cpcv, evidence.results_source.tag
    if cpcv is None:
        return Section(
            TITLE, [Paragraph("Not run: results.json has no cpcv (bands validate --cpcv).", notice=True)]
        )
    means = []
    for name, told in cpcv.horizons.items():
        spread = told.variance_between_folds
        status = "unknown" if spread is None else "pass" if spread < SPREAD_BETWEEN_FOLDS else "fail"
        means.append(
            [
                name,
                str(len(told.folds)),
                number(told.pinball, 4),
                number(told.pinball_to_har_rv, 3),
                percent(told.coverage_90),
                percent(told.coverage_50),
                NOTHING if spread is None else percent(spread),
                status,
            ]
        )
    folds = [
        [
            name,
            str(fold.fold),
            f"{day(fold.first)} to {day(fold.last)}",
            f"{fold.n_effective:,}",
            number(fold.pinball, 4),
            number(fold.pinball_to_har_rv, 3),
            percent(fold.coverage_90),
            percent(fold.coverage_50),
        ]
        for name, told in cpcv.horizons.items()
        for fold in told.folds
    ]
    return Section(
        TITLE,
        [
            Table(
                "Means over folds",
                [
                    "horizon",
                    "folds",
                    "pinball",
                    "pinball / HAR-RV",
                    "coverage 90",
                    "coverage 50",
                    "spread between folds",
                    "below 10 %",
                ],
                means,
                "lrrrrrrl",
                f"{tag} cpcv.horizons",
                "Spread: standard deviation over folds of the ratio to HAR-RV, since the raw loss moves with "
                "the market alone.",
            ),
            Table(
                "Fold by fold",
                [
                    "horizon",
                    "fold",
                    "tested",
                    "independent",
                    "pinball",
                    "pinball / HAR-RV",
                    "coverage 90",
                    "coverage 50",
                ],
                folds,
                "lrlrrrrr",
                f"{tag} cpcv.horizons.T….folds",
            ),
        ],
    )
