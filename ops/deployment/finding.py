"""One line of a check: what was looked at, how it stands, on what evidence, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["pass", "warn", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` says what to do; empty where there is nothing to be done.

    >>> Finding("free disk", "pass", "12 GB").to_json()["status"]
    'pass'
    """

    name: str
    status: Status
    evidence: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """Those that speak against going on."""
    return [one for one in findings if one.status == "fail"]


def verdict(findings: Iterable[Finding]) -> Literal["pass", "warn", "fail"]:
    """The worst of them; what could not be found out counts as a warning.

    >>> verdict([Finding("a", "pass", ""), Finding("b", "unknown", "no answer")])
    'warn'
    """
    found = {one.status for one in findings}
    return "fail" if "fail" in found else "warn" if found & {"warn", "unknown"} else "pass"


def looked_at(name: str, look: Callable[[], Iterable[Finding]], advice: str) -> list[Finding]:
    """The findings of `look`; an error it raises becomes one, so that one fault never hides the rest."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told as this check's evidence
        told = next(iter(str(error).splitlines()), "")
        return [Finding(name, "fail", f"{type(error).__name__}: {told}", advice)]
