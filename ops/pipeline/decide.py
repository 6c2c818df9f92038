"""Whether a stage runs, and why."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from ops.pipeline.stage import Stage
from ops.pipeline.work import Work

NEVER_RUN = "never run"
RESULT_OF = "result of "
State = Literal["run", "may run", "up to date", "not asked", "held"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a stage. `may run`: it waits for an earlier stage to give other results."""

    state: State
    why: str
    damaged: bool = False
    """Its own files are not as it wrote them."""


def inputs_of(stage: Stage, work: Work, asked: Collection[str]) -> dict[str, Any]:
    """All that decides a stage's result: its own inputs, and the outputs of the `asked` stages it reads."""
    read = {
        RESULT_OF + name: known.digest
        for name in stage.after
        if name in asked and (known := work.record.get(name)) is not None
    }
    told: dict[str, Any] = json.loads(json.dumps(stage.inputs(work), allow_nan=False))
    return told | read


def decide(stage: Stage, work: Work, asked: Collection[str], pending: Collection[str] = ()) -> Decision:
    """What to do with a stage, given the stages before it that are `pending`: to be run first."""
    if stage.name not in asked:
        return Decision("not asked", "not asked for")
    if stage.needs_go and "gates" not in pending and not work.go():
        return Decision("held", "the gates say no-go")
    known = work.record.get(stage.name)
    if known is None:
        return Decision("run", NEVER_RUN)
    inputs = inputs_of(stage, work, asked)
    waits = [name for name in stage.after if name in pending]
    names = {*inputs, *known.inputs} - {RESULT_OF + name for name in waits}
    changed = sorted(name for name in names if inputs.get(name, ...) != known.inputs.get(name, ...))
    if changed:
        return Decision("run", _told(changed))
    if (broken := work.record.broken(stage.name)) is not None:
        return Decision("run", broken, damaged=True)
    if waits:
        return Decision("may run", f"only if {' or '.join(waits)} gives another result")
    if (gone := stage.gone(work)) is not None:
        return Decision("run", gone)
    return Decision("up to date", "up to date")


def _told(changed: list[str]) -> str:
    own = [name for name in changed if not name.startswith(RESULT_OF)]
    if read := [name.removeprefix(RESULT_OF) for name in changed if name.startswith(RESULT_OF)]:
        own.append(f"result{'s' if len(read) > 1 else ''} of {', '.join(read)}")
    return f"{', '.join(own)} changed"
