"""Health of a feed that tells the truth: ready only with lease, a living exchange and nothing to catch up."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contracts.model.grid import close_time, iso
from ops.feed.metrics import AGE, CLOCK_LAG, LEASE_EPOCH, READY, REGISTRY
from ops.feed.track import Track


@dataclass(slots=True)
class Health:
    """What is known of the feed.

    `troubles` maps a part to what is wrong with it now and keeps it from being ready; `notes` to what someone
    should look at while it goes on.
    """

    exchange: str
    token: str = ""
    lease_until: float = 0.0
    """Monotonic time at which the lease may have run out."""
    live: bool = False
    """Whether everything missed before has been sent."""
    clock_source: str = ""
    troubles: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tracks: Mapping[str, Track] = field(default_factory=dict)
    _exchange_ahead_s: float | None = None

    @property
    def owns(self) -> bool:
        """Whether the lease is ours for certain."""
        return time.monotonic() < self.lease_until

    def clock_read(self, now: float) -> None:
        """The exchange's clock showed `now`, epoch seconds."""
        self._exchange_ahead_s = now - time.time()
        CLOCK_LAG.set(-self._exchange_ahead_s)

    def problems(self) -> list[str]:
        """Everything that speaks against being ready; empty when ready."""
        found = [f"{part}: {what}" for part, what in self.troubles.items()]
        if not self.owns and "lease" not in self.troubles:
            found.append("lease: not held")
        if not self.live:
            found.append("back-fill: not finished")
        return found

    def report(self) -> dict[str, Any]:
        """Readiness with its reasons, and where every symbol stands."""
        problems = self.problems()
        ahead = self._exchange_ahead_s
        return {
            "ready": not problems,
            "problems": problems,
            "notes": dict(self.notes),
            "exchange": self.exchange,
            "clock": self.clock_source,
            "exchange_clock_ahead_s": None if ahead is None else round(ahead, 3),
            "lease": self.token,
            "newest_bar_closed_at": {
                name: None if track.last is None else iso(close_time(track.last))
                for name, track in self.tracks.items()
            },
        }

    def measure(self) -> None:
        """Bring the gauges up to date."""
        READY.set(not self.problems())
        LEASE_EPOCH.set(int(self.token.split(":")[0]) if self.token and self.owns else 0)
        if self._exchange_ahead_s is None:
            return
        for name, track in self.tracks.items():
            if track.last is not None:
                AGE.labels(name).set(time.time() + self._exchange_ahead_s - close_time(track.last))


def application(health: Health) -> web.Application:
    """`/health`: the process answers. `/ready`: the feed is live, or 503 and why not. `/metrics`."""

    async def alive(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.json_response({"alive": True})

    async def ready(request: web.Request) -> web.Response:  # noqa: ARG001
        report = health.report()
        body = json.dumps(report, indent=2) + "\n"
        status = 200 if report["ready"] else 503
        return web.Response(text=body, status=status, content_type="application/json")

    async def metrics(request: web.Request) -> web.Response:  # noqa: ARG001
        health.measure()
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health", alive), web.get("/ready", ready), web.get("/metrics", metrics)])
    return app
