"""Stages in their order: skip what is up to date, run the rest, remember each as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contracts.errors import BadInputError
from offline.dataset import Progress
from ops.embedded.locks import FileLock
from ops.pipeline.decide import Decision, decide, inputs_of
from ops.pipeline.notes import notes
from ops.pipeline.stage import Done, Stage
from ops.pipeline.stages import STAGES
from ops.pipeline.work import Work

LOCK = "pipeline.lock"
Ending = Literal["ran", "up to date", "not asked", "held", "failed", "interrupted"]
OnEvent = Callable[["Event"], None]
Bars = Callable[[], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a stage: why it ran or did not, in how many seconds, and what it said."""

    stage: str
    state: Ending
    why: str
    seconds: float
    said: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A pipeline that came to its end: the gates' verdict and every stage's event."""

    go: bool
    events: Sequence[Event]
    notes: Sequence[str]


def run_pipeline(work: Work, on_event: OnEvent, bars: Bars) -> Outcome:
    """Run what is not up to date. `bars` shows the progress of one stage.

    The first stage that fails ends it: its error is raised, what was finished stays. The same call goes on.
    """
    asked = _asked(work)
    events = []
    for stage in STAGES:
        if stage.name not in asked and stage.shares and work.record.get(stage.name) is not None:
            work.record.forget(stage.name)
        decision = decide(stage, work, asked)
        if decision.state == "run":
            event = _ran(stage, work, asked, decision, on_event, bars)
        else:
            event = _skipped(stage, work, decision)
        on_event(event)
        events.append(event)
    return Outcome(work.go(), events, notes(work))


def plan_pipeline(work: Work) -> list[tuple[str, Decision]]:
    """What a run would do with every stage, and why; nothing is run or written."""
    asked = _asked(work)
    pending: list[str] = []
    told = []
    for stage in STAGES:
        decision = decide(stage, work, asked, pending)
        if decision.state in ("run", "may run"):
            pending.append(stage.name)
        told.append((stage.name, decision))
    return told


@contextmanager
def pipeline_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for one pipeline; the kernel lets go of it however the process ends.

    Raises:
        BadInputError: another pipeline runs in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        if not lock.acquire(shared=False):
            raise BadInputError(
                f"expected no other pipeline in {folder}, found one running; wait for it, or give --out"
            )
        yield
    finally:
        lock.release()


def _asked(work: Work) -> set[str]:
    return {s.name for s in STAGES if s.asked(work) and s.name not in work.options.leave_out}


def _ran(
    stage: Stage, work: Work, asked: set[str], decision: Decision, on_event: OnEvent, bars: Bars
) -> Event:
    began = time.perf_counter()
    if decision.damaged:
        work.record.forget(stage.name)
    try:
        inputs = inputs_of(stage, work, asked)
        with bars() as progress:
            done: Done = stage.run(work, progress)
        seconds = time.perf_counter() - began
        work.record.keep(stage.name, inputs, done.files, done.said, seconds)
    except BaseException as error:
        ended: Ending = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        on_event(Event(stage.name, ended, decision.why, time.perf_counter() - began, ""))
        raise
    return Event(stage.name, "ran", decision.why, seconds, done.said)


def _skipped(stage: Stage, work: Work, decision: Decision) -> Event:
    known = work.record.get(stage.name)
    if decision.state == "up to date" and known is not None:
        return Event(stage.name, "up to date", decision.why, 0.0, known.said)
    if decision.state == "held":
        return Event(stage.name, "held", decision.why, 0.0, "")
    return Event(stage.name, "not asked", decision.why, 0.0, "")
