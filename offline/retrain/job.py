"""What a retraining run is to the service that runs it: a function it is given."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from contracts.events import RetrainRequest

RETRAIN = "retrain"
"""The folder of all that retraining keeps, in the workspace."""

Stage = Literal["tuning", "training", "validating", "gates"]


class StopAskedError(RuntimeError):
    """The service was told to stop: the run ends here and goes on at the next start."""


@dataclass(frozen=True, slots=True)
class Result:
    """A run that came to its end. Without `go` nothing carries the alias, and `detail` names why.

    `version` is the registry's number of the bundle, `alias` what points at it; None where nothing does.
    """

    bundle: str
    go: bool
    detail: str
    version: str | None = None
    alias: str | None = None


class Report(Protocol):
    """How a job tells where it is."""

    def __call__(self, stage: Stage, progress: float, detail: str = "") -> None:
        """`progress` of the whole run, 0 to 1, never less. A new stage waits until it is on the stream.

        So a job that goes on has held the lock a moment ago. Call it often: most calls cost nothing.

        Raises:
            StopAskedError: end here; what is finished is kept.
        """


class Job(Protocol):
    """The work. Called again with the same request after a crash, it goes on where it was."""

    def __call__(self, request: RetrainRequest, workspace: Path, report: Report) -> Result:
        """Run to the end, in a thread.

        Raises:
            UnavailableError: the registry is away; the service waits and calls again.
            StopAskedError: what `report` raised.
            Exception: the run failed, and will not be tried again.
        """


def run_folder(workspace: Path, run_id: str) -> Path:
    """Where a run keeps its files; an id that is no plain file name is replaced by its hash.

    >>> run_folder(Path("var"), "scheduled-2026-11").as_posix()
    'var/retrain/runs/scheduled-2026-11'
    >>> run_folder(Path("var"), "../x").as_posix()
    'var/retrain/runs/id-d6b96a97d147'
    """
    plain = re.fullmatch(r"(?!id-)[A-Za-z0-9][A-Za-z0-9._-]*", run_id)
    name = run_id if plain else f"id-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"
    return workspace / RETRAIN / "runs" / name
