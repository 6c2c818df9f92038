"""The production readiness report, with what the run has to say about itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts.files import write_atomic
from offline.dataset import Progress
from offline.leaderboard.run import RESULT
from offline.report import Given
from offline.report.document import Block, Bullets, Section
from offline.report.evidence import JOURNAL, read_evidence
from offline.report.markdown import to_markdown
from offline.report.page import to_html
from offline.report.report import HTML, MARKDOWN, build_report
from offline.validate.run import RESULTS
from ops.pipeline.comparison import contingency_table
from ops.pipeline.notes import notes
from ops.pipeline.record import file_sha256
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work

METHOD = 1
"""Raise the number when the same evidence gives another report."""


def _inputs(work: Work) -> dict[str, Any]:
    journal = work.hpo / JOURNAL
    searched = work.options.trials or work.options.grid
    return {
        "notes": notes(work),
        "journal": file_sha256(journal) if searched and journal.is_file() else None,
        "method": METHOD,
    }


def _run(work: Work, _: Progress) -> Done:
    options = work.options
    given = Given(
        results=work.validation,
        hpo=work.hpo if options.trials or options.grid else None,
        bundle=work.bundle,
        gates=work.gates,
        calibration=work.chosen,
        inference=work.inference,
        forecast=work.folder / "leaderboard" / RESULT if options.peers else None,
    )
    blocks: list[Block] = [Bullets(notes(work))]
    if options.grid:
        blocks.append(contingency_table(work.validation / RESULTS, work.contingency / RESULTS))
    report = build_report(read_evidence(given))
    report = replace(report, sections=[*report.sections, Section("How this run came about", blocks)])
    folder = work.folder / "report"
    folder.mkdir(exist_ok=True)
    write_atomic(folder / MARKDOWN, to_markdown(report, HTML).encode())
    write_atomic(folder / HTML, to_html(report).encode())
    return Done([folder / MARKDOWN, folder / HTML], f"{report.verdict}: {report.because}")


REPORT = Stage(
    "report",
    ("hpo", "grid", "calibrate", "validate", "contingency", "train", "inference", "gates", "forecast"),
    _inputs,
    _run,
)
