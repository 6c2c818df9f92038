"""The figures of the report, one per file, all in one style."""

from offline.report.figures.coverage import coverage_figure
from offline.report.figures.fan import fan_figure
from offline.report.figures.importance import importance_figure
from offline.report.figures.pit import pit_figure
from offline.report.figures.reliability import reliability_figure
from offline.report.figures.search import search_figure
from offline.report.figures.windows import windows_figure

__all__ = [
    "coverage_figure",
    "fan_figure",
    "importance_figure",
    "pit_figure",
    "reliability_figure",
    "search_figure",
    "windows_figure",
]
