"""Prices and volumes: any column of numbers, decimals or text as float64, with row-exact reasons."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray


def parse_numbers(name: str, column: NDArray[Any]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Values of shape (n,) and, by 0-based row, why a cell is no number (its value is then NaN).

    Text is read by Python's own rule, which rounds correctly: a CSV file written with full precision
    gives the same bits as parquet. NaN and infinity are numbers here; the bar checks reject them.

    >>> import numpy as np
    >>> parse_numbers("close", np.array(["1.5", "n/a"], dtype=object))
    (array([1.5, nan]), {1: "expected close to be a number, found 'n/a'"})
    """
    if column.dtype.kind in "iuf":
        return column.astype(np.float64), {}
    values = np.full(len(column), np.nan)
    problems: dict[int, str] = {}
    for index, cell in enumerate(column):
        number = _number(cell)
        if number is None:
            problems[index] = f"expected {name} to be a number, found {_shown(cell)}"
        else:
            values[index] = number
    return values, problems


def _number(cell: object) -> float | None:
    if isinstance(cell, str):
        # float() also takes "1_000"; no exchange writes that, so it is a damaged cell.
        if "_" in cell:
            return None
        try:
            return float(cell)
        except ValueError:
            return None
    if cell is None:
        return math.nan
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | Decimal | np.number):
        return None
    return float(cell)


def _shown(cell: object) -> str:
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= 60 else text[:57] + "..."
