"""Health that tells the truth: ready only with lease, bundle, running reader and bounded lag."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from faststream.asgi import AsgiResponse, get
from prometheus_client import make_asgi_app

from contracts.model.grid import iso
from contracts.patient import Patient
from worker.measure import Gauges
from worker.metrics import REGISTRY
from worker.partition import Partition

MAX_BACKLOG_ENTRIES = 1_000
"""Entries that may wait while ready: 50 symbols for three days, or seconds of work."""


@dataclass(slots=True)
class Health:
    """What is known of the worker.

    `troubles` maps a part to what is wrong with it now and keeps it from being ready; `notes` to what someone
    should look at while it serves.
    """

    reader_silence_s: float
    """Longest time between two returns of a healthy reader."""
    partition: Partition | None = None
    reader: Patient | None = None
    reading: bool = False
    server_up: bool = True
    """False since a call failed, until the next one succeeds."""
    lease_until: float = 0.0
    """Monotonic time at which the lease may have run out."""
    troubles: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    _gauges: Gauges = field(default_factory=Gauges)

    def problems(self) -> list[str]:
        """Everything that speaks against being ready; empty when ready."""
        found = [f"{part}: {what}" for part, what in self.troubles.items()]
        now = time.monotonic()
        if now >= self.lease_until:
            found.append("lease: not held")
        partition = self.partition
        if partition is None or partition.lineup.champion is None:
            found.append("bundle: none in force")
        elif (waiting := partition.backlog.lag + partition.backlog.pending) > MAX_BACKLOG_ENTRIES:
            found.append(f"backlog: {waiting} bars wait, more than {MAX_BACKLOG_ENTRIES}")
        reader = self.reader
        if reader is None or not self.reading:
            found.append("reader: not running")
        elif reader.trouble is not None:
            found.append(f"reader: {reader.trouble}")
        elif now - reader.beat > self.reader_silence_s:
            found.append(f"reader: silent for {now - reader.beat:.0f} s")
        return found

    def report(self) -> dict[str, Any]:
        """Readiness with its reasons, and where the partition stands."""
        problems = self.problems()
        partition = self.partition
        told: dict[str, Any] = {"ready": not problems, "problems": problems, "notes": dict(self.notes)}
        if partition is not None:
            champion, challenger = partition.lineup.champion, partition.lineup.challenger
            told |= {
                "partition": partition.topics.partition,
                "bundle": champion.label if champion else None,
                "bundle_sha256": champion.sha256 if champion else None,
                "challenger": challenger.label if challenger else None,
                "challenger_sha256": challenger.sha256 if challenger else None,
                "share": partition.lineup.share,
                "cursor": partition.cursor,
                "lag": partition.backlog.lag,
                "pending": partition.backlog.pending,
                "lease": partition.lease.token,
                "newest_bar_closed_at": iso(newest) if (newest := partition.newest_close) else None,
            }
        return told

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self._gauges.measure(self)


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
