"""The pipeline's stages as a retraining tells them: under which name, and how far they bring it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from offline.dataset import Progress
from offline.retrain import Report, Stage
from ops.pipeline import Event
from ops.pipeline.stages import STAGES

SHARES: Mapping[str, tuple[Stage, float, float]] = {
    "ingest": ("tuning", 0.0, 0.02),
    "hpo": ("tuning", 0.02, 0.40),
    "calibrate": ("tuning", 0.40, 0.50),
    "validate": ("validating", 0.50, 0.80),
    "train": ("training", 0.80, 0.88),
    "inference": ("training", 0.88, 0.91),
    "register": ("training", 0.91, 0.94),
    "gates": ("gates", 0.94, 0.96),
    "publish": ("gates", 0.96, 0.99),
}
"""By the pipeline's stage: the stage of `retrain.status`, and the part of the run it stands for."""


class Telling:
    """Turns the pipeline's events into reports."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._names = [stage.name for stage in STAGES]
        self._at = 0
        self._done: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        """A stage has ended."""
        self._at = self._names.index(event.stage) + 1
        if event.stage in SHARES and event.state in ("ran", "up to date"):
            stage, _, end = SHARES[event.stage]
            self._report(stage, end, f"{event.stage}: {event.said}"[:500])

    @contextmanager
    def bars(self) -> Iterator[Progress]:
        """A stage runs: the progress callback it is given."""
        name = self._names[self._at]
        stage, begin, end = SHARES.get(name, ("gates", 0.99, 0.99))
        self._report(stage, begin, name)
        self._done = {}

        def progress(what: str, done: int, total: int) -> None:
            self._done[what] = done / total if total else 0.0
            share = sum(self._done.values()) / max(4 if name == "hpo" else 1, len(self._done))
            self._report(stage, min(end, begin + (end - begin) * share), f"{name}: {what} {done}/{total}")

        yield progress
