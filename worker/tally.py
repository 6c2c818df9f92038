"""Counting what one committed run has said. Pure bytes where it can be: this is the hot path.

A band's record begins with its schema and status, in the order of the model; what is rare (a missing band,
a dead letter, a finding) is read as JSON. A series is looked up once: its labels cost more than the count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache

from contracts.events import Bar
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from worker.arrival import EARLIEST_CREDIBLE_MS, Arrival
from worker.metrics import BARS, DEAD, DEGRADED, END_TO_END_SECONDS, EVENTS, FINDINGS, RECORDS, STEP_SECONDS
from worker.run import Run

BAND = b'{"schema":"band/1","status":"band",'
DEGRADED_FIELD = b'"degraded":['

_event, _origin, _record = cache(EVENTS.labels), cache(BARS.labels), cache(RECORDS.labels)


def tally(topics: Topics) -> Callable[[Run], None]:
    """The observer that counts the runs of one partition that went through."""
    horizons = {topics.bands(horizon): f"T{horizon}" for horizon in HORIZONS}
    rare = {topics.drift: _count_finding, topics.dead: _count_dead}

    def count(run: Run) -> None:
        if run.answer != "OK":
            return
        STEP_SECONDS.observe(run.ended_s - run.began_s)
        _count_bars(run.arrivals, run.ended_s)
        appended: dict[str, int] = {}
        bands: dict[str, int] = {}
        for event in run.step.events:
            stream, payload = event.stream, event.payload
            appended[stream] = appended.get(stream, 0) + 1
            if stream in horizons:
                if payload.startswith(BAND):
                    bands[stream] = bands.get(stream, 0) + 1
                    if DEGRADED_FIELD in payload:
                        _count_degraded(payload)
                else:
                    _record(horizons[stream], "no_band", json.loads(payload)["reason"]).inc()
            elif stream in rare:
                rare[stream](payload)
        for stream, n in appended.items():
            _event(stream).inc(n)
        for stream, n in bands.items():
            _record(horizons[stream], "band", "").inc(n)

    return count


def _count_bars(arrivals: Iterable[Arrival], ended_s: float) -> None:
    for arrival in arrivals:
        bar = arrival.content
        if not isinstance(bar, Bar):
            _origin("refused").inc()
            continue
        _origin(bar.role or bar.origin).inc()
        if bar.origin == "live" and bar.role is None:
            entered_ms = int(arrival.entry.partition("-")[0])
            if entered_ms >= EARLIEST_CREDIBLE_MS:
                END_TO_END_SECONDS.observe(max(0.0, ended_s - entered_ms / 1_000))


def _count_degraded(payload: bytes) -> None:
    for cause in json.loads(payload)["degraded"]:
        DEGRADED.labels(cause).inc()


def _count_finding(payload: bytes) -> None:
    told = json.loads(payload)
    FINDINGS.labels(told.get("symbol", ""), told["channel"]).inc()


def _count_dead(payload: bytes) -> None:
    DEAD.labels(json.loads(payload)["reason"]).inc()
