"""One attempt to bring a run of entries into effect, as those who count and trace it are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.arrival import Arrival
from worker.lineup import Lineup
from worker.step import Step


@dataclass(frozen=True, slots=True)
class Run:
    """What was read, what followed from it, and what the commit answered.

    `answer` is the commit script's, or `error` when the server refused or could not be reached. Times are
    epoch seconds by the server's clock: when the entries were at hand, the step was computed, and the
    commit had answered.
    """

    arrivals: Sequence[Arrival]
    step: Step
    lineup: Lineup
    answer: str
    began_s: float
    stepped_s: float
    ended_s: float


Observer = Callable[[Run], None]
"""Told of every run; it must not raise and must not take long."""
