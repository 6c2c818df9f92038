"""Numbers as the report tells them: percent with one digit, intervals in brackets, a dash for nothing."""

from __future__ import annotations

from offline.report.results import Estimate

NOTHING = "–"


def number(value: float | None, digits: int) -> str:
    """A plain number.

    >>> number(0.02096, 4), number(None, 4)
    ('0.0210', '–')
    """
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent.

    >>> percent(0.89)
    '89.0 %'
    """
    return NOTHING if value is None else f"{100 * value:.{digits}f} %"


def with_interval(estimate: Estimate, digits: int, unit: float = 1.0, sign: str = "") -> str:
    """A value and its interval.

    >>> with_interval(Estimate(value=0.89, low=0.867, high=0.918), 1, 100, " %")
    '89.0 % [86.7, 91.8]'
    """
    if estimate.value is None:
        return NOTHING
    told = f"{unit * estimate.value:.{digits}f}{sign}"
    if estimate.low is None or estimate.high is None:
        return told
    return f"{told} [{unit * estimate.low:.{digits}f}, {unit * estimate.high:.{digits}f}]"


def day(iso: str) -> str:
    """The date of an ISO time."""
    return iso[:10]


def listed(names: list[str]) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
