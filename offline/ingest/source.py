"""A bar file as raw columns: no value is interpreted yet, every row keeps its place in the file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from offline.ingest.errors import BarFileError

PRICE_COLUMNS = ("open", "high", "low", "close")
VALUE_COLUMNS = (*PRICE_COLUMNS, "volume")
COLUMNS = ("open_time", *VALUE_COLUMNS)
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class RawTable:
    """The columns of one file as read, each of shape (n,) and of whatever type the file had."""

    file: str
    columns: dict[str, NDArray[Any]]
    lines: NDArray[np.int64] | None = None
    """1-based line of each row in a CSV file, None for parquet."""
    problems: dict[int, str] = field(default_factory=dict)
    """Rows (0-based) whose shape is already wrong, with the reason."""
    zoned: bool = False
    """Whether open_time came with a time zone; it has been converted to UTC then."""

    def __len__(self) -> int:
        return len(self.columns["open_time"])

    def error(self, index: int, problem: str, remedy: str) -> BarFileError:
        """The error that points at row `index` (0-based) of this file."""
        line = None if self.lines is None else int(self.lines[index])
        return BarFileError(problem, remedy, file=self.file, row=index + 1, line=line)


def load(path: Path) -> RawTable:
    """Read a `.parquet` or `.csv` file.

    Raises `BarFileError` when the file is absent, unreadable, empty, of another type, or lacks a column.
    """
    if not path.is_file():
        raise BarFileError("expected a bar file, found none", "Check the path.", file=path.name)
    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise BarFileError(
            f"expected a .parquet or .csv file, found the ending '{path.suffix}'",
            "Convert the file, or rename it if only its ending is wrong.",
            file=path.name,
        )
    table = _load_csv(path) if suffix == ".csv" else _load_parquet(path)
    if len(table) == 0:
        raise BarFileError(
            "expected at least one bar, found no data row", "Export the bars again.", file=path.name
        )
    return table


def _load_parquet(path: Path) -> RawTable:
    try:
        with path.open("rb") as stream:
            frame = pd.read_parquet(stream)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BarFileError(
            f"expected a readable parquet file, found {type(error).__name__}: {error}".rstrip("."),
            "Write the file again, or give it the ending of its real format.",
            file=path.name,
        ) from error
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = _header(path.name, [str(name) for name in frame.columns])
    columns = {name: frame.iloc[:, at] for name, at in names.items()}
    zoned = isinstance(columns["open_time"].dtype, pd.DatetimeTZDtype)
    if zoned:
        columns["open_time"] = columns["open_time"].dt.tz_convert("UTC").dt.tz_localize(None)
    arrays: dict[str, NDArray[Any]] = {name: column.to_numpy() for name, column in columns.items()}
    return RawTable(path.name, arrays, zoned=zoned)


def _load_csv(path: Path) -> RawTable:
    # Read as text, field by field: a reader that guesses column types loses the line of a bad value.
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            header = next(csv.reader([first], delimiter=delimiter), [])
            reader = csv.reader(stream, delimiter=delimiter)
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num + 1)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BarFileError(
            f"expected a readable CSV file in UTF-8, found {type(error).__name__}: {error}".rstrip("."),
            "Write the file again as plain UTF-8 text.",
            file=path.name,
        ) from error
    names = _header(path.name, header)
    problems = {
        index: f"expected {len(header)} fields as in the header, found {len(row)}"
        for index, row in enumerate(rows)
        if len(row) != len(header)
    }
    columns: dict[str, NDArray[Any]] = {
        name: np.array([row[at].strip() if at < len(row) else "" for row in rows], dtype=object)
        for name, at in names.items()
    }
    return RawTable(path.name, columns, np.array(lines, dtype=np.int64), problems)


def _header(file: str, found: list[str]) -> dict[str, int]:
    """The position of every column we use, by its lower-case name."""
    names = [name.strip().lower() for name in found]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BarFileError(
            f"expected the columns {', '.join(COLUMNS)}, found {', '.join(found) or 'nothing'} "
            f"(missing: {', '.join(missing)})",
            "Rename or add the columns; a CSV file needs them in its first line.",
            file=file,
        )
    used = [name for name in names if name in (*COLUMNS, "symbol")]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise BarFileError(
            f"expected each column once, found {', '.join(twice)} more than once",
            "Keep one of them.",
            file=file,
        )
    return {name: names.index(name) for name in used}
