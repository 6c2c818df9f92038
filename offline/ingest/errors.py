"""The error raised when a bar file can not become a history."""

from __future__ import annotations

from contracts.errors import BadInputError


class BarFileError(BadInputError):
    """A bar file, or one of its rows, is not what training may learn from.

    `file` is the file's name, `row` the 1-based data row (the header is not counted) and `line`
    the 1-based line of a CSV file; both are None when the whole file is at fault.

    >>> print(BarFileError("expected close > 0, found -1.0", "Correct it.", file="btc.csv", row=3, line=4))
    btc.csv, row 3 (line 4): expected close > 0, found -1.0. Correct it.
    """

    def __init__(
        self, problem: str, remedy: str, *, file: str, row: int | None = None, line: int | None = None
    ) -> None:
        self.file = file
        self.row = row
        self.line = line
        self.problem = problem
        where = file + ("" if row is None else f", row {row}") + ("" if line is None else f" (line {line})")
        super().__init__(f"{where}: {problem}. {remedy}")
