"""From files to the production readiness report: `PRODUCTION_READINESS_REPORT.md` and `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import BadInputError
from contracts.files import write_atomic
from offline.report.document import Figure, Report
from offline.report.evidence import Evidence, Given, read_evidence
from offline.report.markdown import to_markdown
from offline.report.page import to_html
from offline.report.sections import SECTIONS, verdict
from offline.report.text import listed

TITLE = "Quant Bands: production readiness"
MARKDOWN, HTML = "PRODUCTION_READINESS_REPORT.md", "report.html"


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written: the verdict, both files, their sizes in bytes and the names of the figures."""

    verdict: str
    because: str
    markdown: Path
    html: Path
    markdown_bytes: int
    html_bytes: int
    figures: Sequence[str]


def write_report(given: Given, folder: Path) -> WrittenReport:
    """Write both files into `folder`; the same input always gives the same bytes.

    Raises:
        BadInputError: an input is missing, of another schema, or does not belong to the others.
        OSError: the folder can not be written; what was there is as it was.
    """
    report = build_report(read_evidence(given))
    markdown, html = to_markdown(report, HTML).encode(), to_html(report).encode()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / MARKDOWN, markdown)
    write_atomic(folder / HTML, html)
    figures = [
        block.name for section in report.sections for block in section.blocks if isinstance(block, Figure)
    ]
    return WrittenReport(
        report.verdict,
        report.because,
        folder / MARKDOWN,
        folder / HTML,
        len(markdown),
        len(html),
        figures,
    )


def build_report(evidence: Evidence) -> Report:
    """The report as text, tables and figures.

    Raises:
        BadInputError: an optional file has its schema but not its shape.
    """
    results = evidence.results
    bundle = f"bundle {evidence.bundle.label}" if evidence.bundle else "no bundle given"
    subtitle = (
        f"{listed(results.symbols)}; bands issued {results.windows[0].start[:10]} to "
        f"{results.windows[-1].stop[:10]}; {bundle}; made from {len(evidence.sources)} files."
    )
    try:
        decision, because = verdict(evidence)
        sections = [section(evidence) for section in SECTIONS]
    except (KeyError, TypeError, AttributeError) as error:
        names = listed([source.name for source in evidence.sources])
        raise BadInputError(
            f"expected {names} as this release writes them, found a value of another kind: {error!r}; write "
            "the optional ones again, or leave them out one by one"
        ) from error
    return Report(TITLE, subtitle, decision, because, sections)
