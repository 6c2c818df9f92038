"""What a bar file was found to be: every assumption, repair and oddity, counted and located."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.model.grid import iso

SHOWN = 5
"""How many rows of a finding are kept as examples."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One bar's place: 1-based data row of the file, line of a CSV file, open time in epoch seconds."""

    row: int
    line: int | None
    open_time: int | None

    def __str__(self) -> str:
        line = "" if self.line is None else f" (line {self.line})"
        return f"row {self.row}{line}" + ("" if self.open_time is None else f" {iso(self.open_time)}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows that share an oddity: how many, what share of the rows read, and the first few."""

    count: int
    share: float
    first: tuple[Spot, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out, and why."""

    spot: Spot
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive bars (missing or flat): open time of the first in epoch seconds, and how many."""

    open_time: int
    bars: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The quality of one symbol's bars in one file. Times are epoch seconds UTC, shares are in [0, 1]."""

    file: str
    symbol: str
    rows: int
    """Data rows read for this symbol."""
    bars: int
    """Bars kept."""
    first_open_time: int
    last_open_time: int
    completeness: float
    """Bars kept over bars between the first and the last on the grid."""
    sha256: str
    """`history_sha256` of the bars kept."""
    notes: tuple[str, ...]
    """What was assumed, as sentences."""
    unordered: Finding
    """Rows older than a row before them; sorted."""
    duplicates: Finding
    """Exact repetitions of an earlier row; dropped."""
    rejected: tuple[Rejected, ...]
    """Rows left out with `on_bad="drop"`; empty otherwise."""
    gaps: tuple[Run, ...]
    """Runs of missing bars; left missing."""
    zero_volume: Finding
    flat_runs: tuple[Run, ...]
    """Runs of at least three bars without any price movement; kept."""
    extreme_returns: Finding
    """Bars whose |log return| passes `extreme_threshold`; kept, since the largest moves are real."""
    extreme_threshold: float | None
    """In log-return units; None when the returns have no spread to measure."""

    @property
    def missing_bars(self) -> int:
        """Missing bars in total."""
        return sum(gap.bars for gap in self.gaps)

    @property
    def longest_gap(self) -> int:
        """Bars of the longest gap, 0 without one."""
        return max((gap.bars for gap in self.gaps), default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, with times as ISO 8601 UTC."""
        return {
            "file": self.file,
            "symbol": self.symbol,
            "rows": self.rows,
            "bars": self.bars,
            "first_open_time": iso(self.first_open_time),
            "last_open_time": iso(self.last_open_time),
            "completeness": self.completeness,
            "sha256": self.sha256,
            "notes": list(self.notes),
            "unordered": _finding(self.unordered),
            "duplicates": _finding(self.duplicates),
            "rejected": [{**_spot(item.spot), "reason": item.reason} for item in self.rejected],
            "missing_bars": self.missing_bars,
            "longest_gap": self.longest_gap,
            "gaps": [_run(run) for run in self.gaps],
            "zero_volume": _finding(self.zero_volume),
            "flat_runs": [_run(run) for run in self.flat_runs],
            "extreme_returns": _finding(self.extreme_returns) | {"threshold": self.extreme_threshold},
        }

    def lines(self) -> list[str]:
        """The report for a person, one sentence a line; findings without a row are left out."""
        out = [
            f"{self.symbol}: {self.bars:,} bars of {self.rows:,} rows from {self.file}, "
            f"{iso(self.first_open_time)} to {iso(self.last_open_time)}, {self.completeness:.2%} complete",
            *self.notes,
        ]
        if self.rejected:
            out.append(f"{len(self.rejected):,} rows rejected:")
            out += [f"  {item.spot}: {item.reason}" for item in self.rejected[:SHOWN]]
        out += _finding_line(self.unordered, "rows out of order, sorted")
        out += _finding_line(self.duplicates, "exact duplicates, dropped")
        out += _run_line(self.gaps, "missing bars", "gaps")
        out += _finding_line(self.zero_volume, "bars without volume, kept")
        out += _run_line(self.flat_runs, "flat bars, kept", "runs")
        if self.extreme_threshold is not None:
            what = f"returns beyond {self.extreme_threshold:.3f} in absolute log, kept"
            out += _finding_line(self.extreme_returns, what)
        return out


def _spot(spot: Spot) -> dict[str, Any]:
    time = None if spot.open_time is None else iso(spot.open_time)
    return {"row": spot.row, "line": spot.line, "open_time": time}


def _finding(finding: Finding) -> dict[str, Any]:
    return {"count": finding.count, "share": finding.share, "first": [_spot(s) for s in finding.first]}


def _run(run: Run) -> dict[str, Any]:
    return {"open_time": iso(run.open_time), "bars": run.bars}


def _finding_line(finding: Finding, what: str) -> list[str]:
    if finding.count == 0:
        return []
    first = ", ".join(str(spot) for spot in finding.first)
    return [f"{finding.count:,} {what} ({finding.share:.2%}); first: {first}"]


def _run_line(runs: tuple[Run, ...], what: str, plural: str) -> list[str]:
    if not runs:
        return []
    longest = max(runs, key=lambda run: run.bars)
    total = sum(run.bars for run in runs)
    return [
        f"{total:,} {what} in {len(runs):,} {plural}, the longest {longest.bars} bars "
        f"from {iso(longest.open_time)}"
    ]
