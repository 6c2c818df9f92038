"""A check, a gate of checks, and how statuses add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from offline.gates.bound import Bound

Status = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer, with the evidence. Fields as in the report; None where not applicable."""

    name: str
    status: Status
    detail: str
    horizon: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    n_effective: int | None = None
    threshold: str | None = None
    missed_by: float | None = None
    interval_inside: bool | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The check as JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate passes when all its checks pass, fails when any fails, and is else unknown."""

    name: str
    title: str
    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The checks' statuses together."""
        return together(check.status for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The gate as JSON types."""
        return {
            "name": self.name,
            "title": self.title,
            "status": self.status,
            "checks": [check.to_json() for check in self.checks],
        }


def together(statuses: Iterable[str]) -> Status:
    """Fail when any fails, pass when all pass and there is one, else unknown.

    >>> together(["pass", "unknown"]), together([])
    ('unknown', 'unknown')
    """
    found = set(statuses)
    if "fail" in found:
        return "fail"
    return "pass" if found == {"pass"} else "unknown"


def measured(
    name: str,
    value: float | None,
    bound: Bound,
    *,
    source: str,
    horizon: str | None = None,
    interval: tuple[float | None, float | None] = (None, None),
    n: int | None = None,
    n_effective: int | None = None,
    reason: str | None = None,
) -> Check:
    """A value against its threshold; without a value the answer is unknown, for the `reason` given.

    The value decides. `interval_inside` says whether its whole interval holds too: when it does not, the
    sample could have come from a model on the other side.
    """
    low, high = interval
    if value is None or not math.isfinite(value):
        why = reason or "it was not measured"
        return Check(name, "unknown", why, horizon, threshold=str(bound), source=source)
    holds, away = bound.holds(value), bound.missed_by(value)
    spread = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    size = "" if n_effective is None else f", about {n_effective} independent"
    found = f"{value:.4g}{spread}{size}; asked {bound}"
    return Check(
        name,
        "pass" if holds else "fail",
        found if holds else f"{found}, missed by {away:.2g}",
        horizon,
        value,
        low,
        high,
        n,
        n_effective,
        str(bound),
        away,
        None if low is None or high is None else bound.holds(low) and bound.holds(high),
        source,
    )


def not_judged(names: Sequence[str], why: str, source: str) -> list[Check]:
    """The checks that can not be asked."""
    return [Check(name, "unknown", why, source=source) for name in names]
