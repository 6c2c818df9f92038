"""One alert's unit test, in promtool's notation.

Times count from the epoch, where `promtool test rules` begins; a moment before is negative.
"""

from __future__ import annotations

from dataclasses import dataclass

Series = dict[str, str]

W = 'instance="w:8100"'


@dataclass(frozen=True, slots=True)
class Case:
    """Series (a value a minute) on which an alert fires, others on which it is silent, and when to look."""

    at: str
    fires: tuple[Series, ...]
    silent: tuple[Series, ...]

    @property
    def is_long(self) -> bool:
        """Whether it looks hours ahead."""
        return self.at.endswith("h")


def of_worker(name: str, labels: str = "") -> str:
    """A series of the worker `w`."""
    return f"{name}{{{W}{',' if labels else ''}{labels}}}"
