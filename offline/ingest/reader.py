"""Bar files to histories: what can be repaired is repaired and reported, the rest is refused by row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import LARGEST, Candle, History, violation
from contracts.model.grid import BAR_SECONDS, iso
from offline.ingest.digest import history_sha256
from offline.ingest.errors import BarFileError
from offline.ingest.quality import find_extremes, find_flat_runs, find_gaps
from offline.ingest.report import SHOWN, Finding, QualityReport, Rejected, Spot
from offline.ingest.source import VALUE_COLUMNS, RawTable, load
from offline.ingest.timestamps import parse_times
from offline.ingest.values import parse_numbers

OnBad = Literal["raise", "drop"]

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")
_FILE_NAME = re.compile(r"[^_]+_(?P<symbol>[^_]+)_4h", re.IGNORECASE)
_REMEDY = "Correct the row, or read with on_bad='drop' to leave it out."


class Ingested(NamedTuple):
    """The bars of one symbol and the report on where they came from."""

    history: History
    report: QualityReport


class _Parsed(NamedTuple):
    table: RawTable
    seconds: NDArray[np.int64]
    values: NDArray[np.float64]
    problems: dict[int, str]
    notes: tuple[str, ...]

    def spot(self, index: int) -> Spot:
        line = None if self.table.lines is None else int(self.table.lines[index])
        return Spot(index + 1, line, int(self.seconds[index]) or None)

    def finding(self, rows: list[int], of: int) -> Finding:
        return Finding(len(rows), len(rows) / of, tuple(self.spot(row) for row in rows[:SHOWN]))


def read_bars(path: str | Path, symbol: str | None = None, *, on_bad: OnBad = "raise") -> Ingested:
    """Read one symbol's 4-hour bars from a `.parquet` or `.csv` file.

    The columns are open_time (UTC bar start: timestamps of any resolution, ISO 8601 text, or epoch
    s/ms/us/ns), open, high, low, close, volume; others are ignored. `symbol` defaults to the file's
    `symbol` column, then to its name (`venue_SYMBOL_4h.ext`), then to its stem in capitals; with
    several symbols in the file it selects one.

    Unordered rows are sorted and exact duplicates dropped; gaps, flat runs and extreme returns stay as
    they are. All of it is in the report. With `on_bad="drop"` a row that can not be a bar is left out
    and reported; of two different bars with one open_time the first stays, as in the worker.

    Raises `BarFileError` naming file, row and remedy when a row can not be a bar (and `on_bad` is
    "raise"), when the file lacks a column or holds no bars, holds several symbols and none was chosen,
    or is not of 4-hour bars.
    """
    parsed = _parse(load(Path(path)))
    groups = _symbols(parsed.table)
    if symbol is None and len(groups) > 1:
        raise BarFileError(
            f"expected one symbol, found {len(groups)}: {', '.join(list(groups)[:SHOWN])}",
            "Name one with symbol=..., or read all with read_many.",
            file=parsed.table.file,
        )
    if not groups:
        name, rows = symbol or _symbol_of_name(Path(path)), np.arange(len(parsed.table))
        _check_symbol(name, parsed.table.file)
    else:
        name = symbol or next(iter(groups))
        if name not in groups:
            raise BarFileError(
                f"expected bars of {name}, found {', '.join(groups)}",
                "Choose one of these.",
                file=parsed.table.file,
            )
        rows = groups[name]
    return _ingest(parsed, name, rows, on_bad)


def read_many(path: str | Path, *, on_bad: OnBad = "raise") -> dict[str, Ingested]:
    """Read every symbol of a file with a `symbol` column, in order of first appearance.

    A file without that column gives its one symbol. Rules and errors are those of `read_bars`.
    """
    parsed = _parse(load(Path(path)))
    groups = _symbols(parsed.table)
    if not groups:
        return {(one := read_bars(path, on_bad=on_bad)).history.symbol: one}
    return {name: _ingest(parsed, name, rows, on_bad) for name, rows in groups.items()}


def _parse(table: RawTable) -> _Parsed:
    times = parse_times(table.columns["open_time"], zoned=table.zoned)
    problems = dict(table.problems)
    for row, reason in times.problems.items():
        problems.setdefault(row, reason)
    values = np.empty((len(table), len(VALUE_COLUMNS)))
    for at, name in enumerate(VALUE_COLUMNS):
        values[:, at], found = parse_numbers(name, table.columns[name])
        for row, reason in found.items():
            problems.setdefault(row, reason)
    for row in np.flatnonzero(_suspect(values)).tolist():
        broken = violation(Candle(int(times.seconds[row]), *values[row].tolist()))
        if broken is not None:
            problems.setdefault(row, broken)
    return _Parsed(table, times.seconds, values, problems, times.notes)


def _suspect(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows of (open, high, low, close, volume) that `violation` has to look at: a fast screen."""
    opened, high, low, close, volume = values.T
    good: NDArray[np.bool_] = np.isfinite(values).all(axis=1) & (low >= 1 / LARGEST) & (high <= LARGEST)
    good &= (volume >= 0) & (volume <= LARGEST)
    good &= (low <= opened) & (opened <= high) & (low <= close) & (close <= high)
    return np.logical_not(good)


def _symbols(table: RawTable) -> dict[str, NDArray[np.int64]]:
    column: NDArray[Any] | None = table.columns.get("symbol")
    if column is None:
        return {}
    rows: dict[str, list[int]] = {}
    for index, cell in enumerate(column.tolist()):
        if index in table.problems:
            continue
        if not isinstance(cell, str) or not _SYMBOL.fullmatch(cell):
            raise table.error(index, _symbol_problem(cell), "Correct the symbol.")
        rows.setdefault(cell, []).append(index)
    groups = {name: np.array(found, dtype=np.int64) for name, found in rows.items()}
    for index in table.problems:
        # A row of the wrong width can not say whose it is; every symbol's report shows it.
        groups = {name: np.sort(np.append(found, index)) for name, found in groups.items()}
    return groups


def _symbol_of_name(path: Path) -> str:
    match = _FILE_NAME.fullmatch(path.stem)
    return (match["symbol"] if match else path.stem).upper()


def _symbol_problem(symbol: object) -> str:
    return (
        "expected a symbol of 1 to 32 capital letters, digits, '.', '_' or '-' that starts with a letter "
        f"or digit, found {symbol!r}"
    )


def _check_symbol(symbol: str, file: str) -> None:
    if not _SYMBOL.fullmatch(symbol):
        raise BarFileError(_symbol_problem(symbol), "Name it with symbol=..., or rename the file.", file=file)


def _ingest(parsed: _Parsed, symbol: str, rows: NDArray[np.int64], on_bad: OnBad) -> Ingested:
    file, seconds, values = parsed.table.file, parsed.seconds, parsed.values
    rejected = {row: parsed.problems[row] for row in rows.tolist() if row in parsed.problems}
    good = np.array([row for row in rows.tolist() if row not in rejected], dtype=np.int64)
    _refuse_other_bar_lengths(parsed, good, rejected)

    times = seconds[good]
    newest_before = np.maximum.accumulate(times) if len(times) else times
    unordered = good[1:][times[1:] < newest_before[:-1]].tolist()

    ordered = good[np.argsort(times, kind="stable")]
    first_of_time = np.ones(len(ordered), dtype=bool)
    first_of_time[1:] = seconds[ordered[1:]] != seconds[ordered[:-1]]
    original = ordered[first_of_time][np.cumsum(first_of_time) - 1]
    same = (values[ordered] == values[original]).all(axis=1)
    duplicates = np.sort(ordered[~first_of_time & same]).tolist()
    for row, kept in zip(ordered[~same].tolist(), original[~same].tolist(), strict=True):
        column = VALUE_COLUMNS[int(np.flatnonzero(values[row] != values[kept])[0])]
        at = VALUE_COLUMNS.index(column)
        rejected[row] = (
            f"expected one bar per open_time, found {iso(int(seconds[row]))} again with {column} "
            f"{values[row, at]} where {parsed.spot(kept)} has {values[kept, at]}"
        )
    if rejected and on_bad == "raise":
        row = min(rejected)
        more = f" {len(rejected) - 1:,} more rows are wrong." if len(rejected) > 1 else ""
        raise parsed.table.error(row, rejected[row], _REMEDY + more)

    kept_rows = ordered[first_of_time]
    if len(kept_rows) == 0:
        row = min(rejected)
        raise parsed.table.error(
            row, rejected[row], f"No row of {symbol} can be a bar, so nothing is left to read."
        )
    history = History(symbol, seconds[kept_rows], *(np.ascontiguousarray(c) for c in values[kept_rows].T))
    extremes, threshold = find_extremes(history)
    span = int(history.open_time[-1] - history.open_time[0]) // BAR_SECONDS + 1
    report = QualityReport(
        file=file,
        symbol=symbol,
        rows=len(rows),
        bars=len(history),
        first_open_time=int(history.open_time[0]),
        last_open_time=int(history.open_time[-1]),
        completeness=len(history) / span,
        sha256=history_sha256(history),
        notes=parsed.notes,
        unordered=parsed.finding(unordered, len(rows)),
        duplicates=parsed.finding(duplicates, len(rows)),
        rejected=tuple(Rejected(parsed.spot(row), rejected[row]) for row in sorted(rejected)),
        gaps=find_gaps(history),
        zero_volume=parsed.finding(kept_rows[history.volume == 0].tolist(), len(rows)),
        flat_runs=find_flat_runs(history),
        extreme_returns=parsed.finding(kept_rows[extremes].tolist(), len(rows)),
        extreme_threshold=threshold,
    )
    return Ingested(history, report)


def _refuse_other_bar_lengths(parsed: _Parsed, good: NDArray[np.int64], rejected: dict[int, str]) -> None:
    """Dropping the off-grid rows of an hourly file would leave hourly bars posing as 4-hour bars."""
    file = parsed.table.file
    off_grid = [row for row, reason in rejected.items() if "on the 4-hour grid" in reason]
    if len(off_grid) > len(good):
        raise parsed.table.error(
            off_grid[0],
            f"{rejected[off_grid[0]]}, as {len(off_grid):,} of {len(good) + len(rejected):,} rows",
            "Aggregate the file to 4-hour bars stamped with their start.",
        )
    steps = np.diff(np.unique(parsed.seconds[good])) // BAR_SECONDS
    if len(steps) >= 10 and (usual := float(np.median(steps))) > 1:
        raise BarFileError(
            f"expected 4-hour bars, found a usual distance of {usual * 4:g} hours between bars",
            "Export the file again with 4-hour bars.",
            file=file,
        )
