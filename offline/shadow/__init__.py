"""Champion against challenger, from the bands both gave for the same bars: win, lose or undecided."""

from offline.shadow.compare import Comparison, Verdict, compare
from offline.shadow.evidence import ALPHA, FRACTIONS, LAG_BARS, Evidence, evidence
from offline.shadow.ledger import Ledger, Row
from offline.shadow.reader import refresh
from offline.shadow.store import ledger_file, load_ledger, save_ledger

__all__ = [
    "ALPHA",
    "FRACTIONS",
    "LAG_BARS",
    "Comparison",
    "Evidence",
    "Ledger",
    "Row",
    "Verdict",
    "compare",
    "evidence",
    "ledger_file",
    "load_ledger",
    "refresh",
    "save_ledger",
]
