"""What the project asks of a release: the requirement (`minimum`) and the wish (`ideal`) of each figure."""

from __future__ import annotations

from typing import Final

COVERAGE_90: Final = (0.87, 0.93)
COVERAGE_90_IDEAL: Final = (0.89, 0.91)
COVERAGE_50: Final = (0.47, 0.53)
SPREAD_BETWEEN_FOLDS: Final = 0.10
LATENCY_MS: Final = (1_000.0, 500.0)
MEMORY_MB: Final = 2_000.0


def within(value: float | None, limits: tuple[float, float]) -> bool | None:
    """Whether a value lies in a closed range; None without a value."""
    return None if value is None else limits[0] <= value <= limits[1]


def graded(value: float | None, minimum: float, ideal: float, *, larger_is_better: bool = False) -> str:
    """`ideal`, `minimum`, `missed`, or `unknown` without a value.

    >>> graded(0.04, 0.05, 0.03), graded(0.2, 0.05, 0.10, larger_is_better=True), graded(None, 1, 0)
    ('minimum', 'ideal', 'unknown')
    """
    if value is None:
        return "unknown"
    sign = -1 if larger_is_better else 1
    if sign * value < sign * ideal:
        return "ideal"
    return "minimum" if sign * value < sign * minimum else "missed"
