"""Bar files in, checked histories out."""

from offline.ingest.digest import history_sha256
from offline.ingest.errors import BarFileError
from offline.ingest.reader import Ingested, OnBad, read_bars, read_many
from offline.ingest.report import Finding, QualityReport, Rejected, Run, Spot
from offline.ingest.writer import write_bars

__all__ = [
    "BarFileError",
    "Finding",
    "Ingested",
    "OnBad",
    "QualityReport",
    "Rejected",
    "Run",
    "Spot",
    "history_sha256",
    "read_bars",
    "read_many",
    "write_bars",
]
