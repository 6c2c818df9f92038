"""What every step of a deployment works with, and how steps are put on record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import write_atomic
from ops.deployment.record import Deployment, Step, now, save
from ops.settings import Settings

Tell = Callable[[str], None]


@dataclass(slots=True)
class Job:
    """One deployment at work: its record, its folder, and whom it tells."""

    settings: Settings
    client: Any
    folder: Path
    record: Deployment
    tell: Tell

    def save(self) -> None:
        """Put the record on disk."""
        save(self.record, self.folder)

    def end(self, status: Any, problem: str = "") -> None:
        """Put the end on record."""
        self.record.status, self.record.problem, self.record.ended_at = status, problem, now()
        self.save()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step on record: begun before, ended after, failed when it raises. `detail` is told at its end."""
        step = Step(name=name, began_at=now())
        self.record.steps.append(step)
        self.save()
        began = time.monotonic()
        try:
            yield step
        except BaseException as error:
            step.outcome = "failed"
            step.detail = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise
        else:
            step.outcome = "done"
            self.tell(f"{name}: {step.detail}" if step.detail else name)
        finally:
            step.seconds = round(time.monotonic() - began, 3)
            self.save()

    def write(self, name: str, data: bytes) -> Path:
        """A file beside the record."""
        write_atomic(self.folder / name, data)
        return self.folder / name
