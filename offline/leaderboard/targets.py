"""What our bands are to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OURS = "bands"

Found = dict[str, Any]


def _target(name: str, expected: str, found: Any, met: bool | None, reason: str | None = None) -> Found:
    return {"target": name, "expected": expected, "found": found, "met": met, "reason": reason}


def _between(name: str, value: float, low: float, high: float) -> Found:
    return _target(name, f"{low} to {high}", value, low <= value <= high)


def _at_most(name: str, value: float, most: float) -> Found:
    return _target(name, f"at most {most:.4g}", value, value <= most)


def _interval(
    name: str, estimate: dict[str, Any], expected: str, test: Callable[[float, float], bool]
) -> Found:
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return _target(name, expected, None, None, estimate["reason"])
    return _target(name, expected, [low, high], test(low, high))


def horizon_targets(told: dict[str, Any]) -> list[Found]:
    """The targets of one horizon, from its part of `leaderboard.json`; `met` is null where none can say."""
    ours = told["models"][OURS]
    pooled, symbols = ours["pooled"], ours["symbols"]
    ewma = told["models"]["ewma-ecdf"]["pooled"]
    paired = told["bands_to_ewma_ecdf"]
    far = {name: scores["coverage_90"]["value"] for name, scores in symbols.items()}
    worst = max(far, key=lambda name: abs(far[name] - 0.9))
    behind = {name: scores["pinball"]["value"] for name, scores in paired["symbols"].items()}
    last = max(behind, key=lambda name: behind[name])
    return [
        _between("coverage 90, pooled", pooled["coverage_90"]["value"], 0.885, 0.915),
        _between("coverage 50, pooled", pooled["coverage_50"]["value"], 0.48, 0.52),
        _interval("coverage 90, interval", pooled["coverage_90"], "contains 0.9", lambda a, b: a <= 0.9 <= b),
        _interval("coverage 50, interval", pooled["coverage_50"], "contains 0.5", lambda a, b: a <= 0.5 <= b),
        _between(f"coverage 90, every symbol ({worst})", far[worst], 0.87, 0.93),
        _at_most("yearly miss against ewma-ecdf", pooled["yearly_miss"], ewma["yearly_miss"]),
        _at_most("yearly miss", pooled["yearly_miss"], 0.025),
        _target(
            "calibration error", "below 0.03", pooled["calibration_error"], pooled["calibration_error"] < 0.03
        ),
        _target("crossing", "none", pooled["crossing_rate"], pooled["crossing_rate"] == 0),
        _at_most("pinball / HAR-RV", pooled["pinball_to_har_rv"]["value"], 0.98),
        _at_most("Winkler 90 / HAR-RV", pooled["winkler_90_to_har_rv"]["value"], 0.94),
        _interval(
            "pinball / ewma-ecdf, interval", paired["pooled"]["pinball"], "below 1", lambda _, high: high < 1
        ),
        _at_most(f"pinball / ewma-ecdf, every symbol ({last})", behind[last], 1.005),
    ]
