"""The sections of the report, in the order they are read."""

from offline.report.sections.comparison import comparison_section
from offline.report.sections.folds import fold_section
from offline.report.sections.gates import gates_section
from offline.report.sections.kpis import kpi_section
from offline.report.sections.missing import missing_section, source_section
from offline.report.sections.model import bundle_section, calibration_section, inference_section
from offline.report.sections.risks import risk_section
from offline.report.sections.scores import horizon_section, symbol_section
from offline.report.sections.search import search_section
from offline.report.sections.verdict import in_short, verdict
from offline.report.sections.years import time_section

SECTIONS = (
    in_short,
    gates_section,
    kpi_section,
    risk_section,
    horizon_section,
    symbol_section,
    time_section,
    comparison_section,
    fold_section,
    search_section,
    calibration_section,
    bundle_section,
    inference_section,
    missing_section,
    source_section,
)

__all__ = ["SECTIONS", "verdict"]
