"""The open_time column: timestamps, ISO text or epoch integers of any unit, as epoch seconds UTC."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, iso

EARLIEST = int(datetime(2009, 1, 1, tzinfo=UTC).timestamp())
"""Bitcoin's first block: no market of ours is older."""
LATEST = int(datetime(2101, 1, 1, tzinfo=UTC).timestamp())

# Seconds of 2009..2100 are 1.2e9..4.1e9, so the ranges of the four units are disjoint and each value
# names its own unit. Exchanges do change it within one archive (ms to us in 2025).
_UNITS = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))


@dataclass(frozen=True, slots=True)
class Times:
    """Parsed open times: `seconds` of shape (n,), 0 where a row is a problem."""

    seconds: NDArray[np.int64]
    problems: dict[int, str]
    notes: tuple[str, ...]
    """What was assumed about the column, as sentences."""


def parse_times(column: NDArray[Any], *, zoned: bool = False) -> Times:
    """Interpret an open_time column of shape (n,); `zoned` says that its timestamps are known to be UTC.

    >>> import numpy as np
    >>> times = parse_times(np.array(["2024-01-01T00:00:00Z", "1704081600000"], dtype=object))
    >>> times.seconds.tolist(), times.problems
    ([1704067200, 1704081600], {})
    >>> times.notes
    ('1 open_time read as ISO 8601 text', '1 open_time read as epoch ms')
    """
    seconds = np.zeros(len(column), dtype=np.int64)
    problems: dict[int, str] = {}
    seen: Counter[str] = Counter()
    if column.dtype.kind == "M":
        unit, step = np.datetime_data(column.dtype)
        ticks = column.astype(f"datetime64[{unit}]").astype(np.int64)
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}.get(unit, 0) if step == 1 else 0
        if per_second == 0:  # days and such: coarser than a second, so seconds hold them exactly
            ticks, per_second = column.astype("datetime64[s]").astype(np.int64), 1
        whole, rest = np.divmod(ticks, per_second)
        suspect = np.isnat(column) | (rest != 0) | (whole % BAR_SECONDS != 0)
        suspect |= (whole < EARLIEST) | (whole >= LATEST)
        seconds = np.where(suspect, 0, whole)
        for at in np.flatnonzero(suspect).tolist():
            problems[at] = _datetime_problem(column[at])
        how = "timestamps" if zoned else "timestamps without a time zone, assumed UTC"
        seen[how] = len(column) - len(problems)
    else:
        for index, cell in enumerate(column.tolist()):
            answer, how = _parse_cell(cell)
            if isinstance(answer, str):
                problems[index] = answer
            else:
                seconds[index] = answer
                seen[how] += 1
    return Times(
        seconds, problems, tuple(f"{count:,} open_time read as {how}" for how, count in seen.items())
    )


def _datetime_problem(value: np.datetime64) -> str:
    if np.isnat(value):
        return "expected an open_time, found none"
    found = f"{np.datetime_as_string(value)}Z"
    seconds = int(value.astype("datetime64[s]").astype(np.int64))
    return _range_problem(seconds, found) or _grid_problem(found)


def _range_problem(seconds: float, found: str) -> str | None:
    if EARLIEST <= seconds < LATEST:
        return None
    return f"expected open_time in the years 2009 to 2100, found {found}"


def _grid_problem(found: str) -> str:
    return f"expected open_time on the 4-hour grid (00, 04, 08, 12, 16, 20 UTC), found {found}"


def _parse_cell(cell: object) -> tuple[int | str, str]:
    """Epoch seconds and how the cell was read, or a reason and nothing."""
    if isinstance(cell, datetime):
        if pd.isna(cell):
            return "expected an open_time, found none", ""
        return _from_datetime(cell, "timestamps")
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _from_epoch(cell, str(cell))
    if not isinstance(cell, str) or not cell.strip():
        return f"expected an open_time, found {'none' if cell in (None, '') else repr(cell)}", ""
    text = cell.strip()
    try:
        return _from_epoch(int(text) if text.lstrip("-").isdigit() else float(text), text)
    except ValueError:
        pass
    try:
        return _from_datetime(datetime.fromisoformat(text), "ISO 8601 text", text)
    except ValueError:
        return f"expected open_time as ISO 8601 text or an epoch number, found {text!r}", ""


def _from_datetime(moment: datetime, how: str, text: str | None = None) -> tuple[int | str, str]:
    if moment.tzinfo is None:
        moment, how = moment.replace(tzinfo=UTC), f"{how} without a time zone, assumed UTC"
    found = text or moment.isoformat()
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    problem = _range_problem(seconds, found)
    if problem is None and (seconds % BAR_SECONDS or getattr(moment, "nanosecond", 0)):
        problem = _grid_problem(found)
    return (int(seconds), how) if problem is None else (problem, "")


def _from_epoch(number: float, found: str) -> tuple[int | str, str]:
    for unit, per_second in _UNITS:
        if EARLIEST * per_second <= number < LATEST * per_second:
            whole, rest = divmod(number, per_second)
            if rest or whole % BAR_SECONDS:
                return _grid_problem(f"{found} ({iso(int(whole))})"), ""
            return int(whole), f"epoch {unit}"
    return f"expected open_time in the years 2009 to 2100 as epoch s, ms, us or ns, found {found}", ""
