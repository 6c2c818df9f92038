"""What of a report can be a metric."""

from __future__ import annotations

import math
from typing import Any

from offline.registry.runs import flat


def numbers(told: dict[str, Any]) -> dict[str, float]:
    """The finite numbers of a nested report under dotted names; what has no number has no metric.

    >>> numbers({"T42": {"coverage_90": 0.9, "ic": None, "method": "split", "tuned": True}})
    {'T42.coverage_90': 0.9}
    """
    return {
        name: float(value)
        for name, value in flat(told).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
