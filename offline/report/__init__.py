"""The production readiness report: verdict first, every number traceable to its file."""

from offline.report.evidence import Given
from offline.report.report import HTML, MARKDOWN, WrittenReport, write_report

__all__ = ["HTML", "MARKDOWN", "Given", "WrittenReport", "write_report"]
