"""The grid everything is measured on: 4-hour bars, four horizons, five quantile levels."""

from __future__ import annotations

from datetime import UTC, datetime

BAR_SECONDS = 4 * 3600
HORIZONS: tuple[int, ...] = (42, 48, 54, 60)
LEVELS: tuple[float, ...] = (0.05, 0.25, 0.50, 0.75, 0.95)
LEVEL_NAMES: tuple[str, ...] = ("q05", "q25", "q50", "q75", "q95")
MEDIAN = LEVELS.index(0.50)

INTERVALS: dict[float, tuple[int, int]] = {0.90: (0, 4), 0.50: (1, 3)}
"""Central coverage of each interval and the columns of its lower and upper quantile."""


def iso(epoch_seconds: int) -> str:
    """Epoch seconds as ISO 8601 UTC.

    >>> iso(1704067200)
    '2024-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def close_time(open_time: int) -> int:
    """The moment a bar that opened at `open_time` (epoch seconds) is closed and may be used.

    >>> iso(close_time(1704067200))
    '2024-01-01T04:00:00Z'
    """
    return open_time + BAR_SECONDS
