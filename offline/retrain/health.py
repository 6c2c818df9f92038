"""Health that tells the truth: ready only with the lock held, a running reader and no trouble."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from faststream.asgi import AsgiResponse, get
from prometheus_client import make_asgi_app

from contracts.patient import Patient
from offline.retrain.metrics import (
    LAST_SUCCESS,
    PROGRESS,
    READY,
    REGISTRY,
    RUNNING,
    STAGE,
    STAGES,
    WAITING,
)


@dataclass(slots=True)
class Health:
    """What is known of the retrainer. `troubles` maps a part to what is wrong with it now."""

    streams: Sequence[str]
    reader_silence_s: float
    """Longest time between two returns of a healthy reader."""
    reader: Patient | None = None
    reading: bool = False
    lease_until: float = 0.0
    """Monotonic time at which the lock may have run out."""
    token: str = ""
    run: str | None = None
    stage: str | None = None
    progress: float = 0.0
    waiting: int = 0
    last_success_s: float = 0.0
    """Unix time at which a run last registered a challenger; 0 when none is known."""
    troubles: dict[str, str] = field(default_factory=dict)

    def silent_s(self) -> float:
        """How long the most silent of the streams has not been read; 0 before the first read."""
        reader = self.reader
        if reader is None:
            return 0.0
        now = time.monotonic()
        return max((now - reader.beats.get(stream, now) for stream in self.streams), default=0.0)

    def problems(self) -> list[str]:
        """Everything that speaks against being ready; empty when ready."""
        found = [f"{part}: {what}" for part, what in self.troubles.items()]
        if time.monotonic() >= self.lease_until:
            found.append("lease: not held")
        reader = self.reader
        if reader is None or not self.reading:
            found.append("reader: not running")
        elif reader.trouble is not None:
            found.append(f"reader: {reader.trouble}")
        elif (silent_s := self.silent_s()) > self.reader_silence_s:
            found.append(f"reader: silent for {silent_s:.0f} s")
        return found

    def report(self) -> dict[str, Any]:
        """Readiness with its reasons, and what runs."""
        problems = self.problems()
        return {
            "ready": not problems,
            "problems": problems,
            "lease": self.token,
            "run": self.run,
            "stage": self.stage,
            "progress": self.progress,
            "waiting": self.waiting,
        }

    def measure(self) -> None:
        """Bring the gauges up to date."""
        READY.set(not self.problems())
        WAITING.set(self.waiting)
        RUNNING.set(self.run is not None)
        PROGRESS.set(self.progress)
        LAST_SUCCESS.set(self.last_success_s)
        for stage in STAGES:
            STAGE.labels(stage).set(self.stage == stage)

    def trouble(self, part: str, error: Exception | str) -> bool:
        """Note what is wrong with a part; True when that is news."""
        told = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        is_news = self.troubles.get(part) != told
        self.troubles[part] = told
        return is_news

    def well(self, part: str) -> None:
        """A part works."""
        self.troubles.pop(part, None)


def health_routes(health: Health) -> list[tuple[str, Any]]:
    """`/health`: the process answers. `/ready`: it serves, or 503 and why not. `/metrics`: for Prometheus."""
    exposition = make_asgi_app(REGISTRY)

    @get(include_in_schema=False)
    async def alive(scope: Any) -> AsgiResponse:  # noqa: ARG001
        return AsgiResponse(b'{"alive": true}\n', 200, {"content-type": "application/json"})

    @get(include_in_schema=False)
    async def ready(scope: Any) -> AsgiResponse:  # noqa: ARG001
        report = health.report()
        body = json.dumps(report, indent=2).encode() + b"\n"
        return AsgiResponse(body, 200 if report["ready"] else 503, {"content-type": "application/json"})

    async def measured(scope: Any, receive: Any, send: Any) -> None:
        """Each scrape sees the gauges as they are at that moment, whatever the loops wait for."""
        health.measure()
        await exposition(scope, receive, send)

    return [("/health", alive), ("/ready", ready), ("/metrics", measured)]
