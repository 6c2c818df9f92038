"""The thread that asks every worker, the retrainer and the feed how they are."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

EVERY_S = 2.0
TIMEOUT_S = 1.5
KEPT = 900
"""Half an hour of answers."""
STEP = "bands_step_seconds"


@dataclass(frozen=True, slots=True)
class Probe:
    """One answer. `ready` is None where nobody answers; `problem` then says why."""

    name: str
    url: str
    at: float
    ready: bool | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)
    steps: tuple[tuple[float, float], ...] = ()
    """Cumulative counts of the step latency by upper bound in seconds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Lag and pending entries, and the 95 % step latency in seconds, at one moment."""

    at: float
    lag: float | None
    pending: float | None
    step_s: float | None


class Probes(threading.Thread):
    """Asks `targets`, pairs of a name and an HTTP address, until `stop`; `changed` is called on news."""

    def __init__(self, targets: Sequence[tuple[str, str]], changed: Callable[[], None]) -> None:
        super().__init__(name="dashboard-probes", daemon=True)
        self._targets = tuple(targets)
        self._changed = changed
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._probes: dict[str, Probe] = {}
        self._samples: dict[str, deque[Sample]] = {}

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        self._halt.set()
        if self.is_alive():
            self.join(10)

    def probes(self) -> list[Probe]:
        """The newest answer of each, in the order of the targets."""
        with self._lock:
            return [self._probes[url] for _, url in self._targets if url in self._probes]

    def samples(self, url: str) -> list[Sample]:
        """Half an hour of one's answers, oldest first."""
        with self._lock:
            return list(self._samples.get(url, ()))

    def run(self) -> None:
        """Ask until stopped."""
        # No proxy and no netrc of this machine: these are our own processes.
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._halt.is_set():
                for name, url in self._targets:
                    self._keep(ask(client, name, url))
                self._halt.wait(EVERY_S)

    def _keep(self, probe: Probe) -> None:
        with self._lock:
            before = self._probes.get(probe.url)
            self._probes[probe.url] = probe
            if probe.told:
                kept = self._samples.setdefault(probe.url, deque(maxlen=KEPT))
                told = probe.told
                kept.append(
                    Sample(probe.at, told.get("lag"), told.get("pending"), quantile(probe.steps, 0.95))
                )
        if before is None or (before.ready, before.problems) != (probe.ready, probe.problems):
            self._changed()


def ask(client: httpx.Client, name: str, url: str) -> Probe:
    """One look at `/ready` and `/metrics`."""
    at = time.time()
    try:
        answer = client.get(f"{url}/ready")
        told = answer.json()
        if not isinstance(told, dict) or "ready" not in told:
            return Probe(
                name, url, at, None, (f"expected a health report, found status {answer.status_code}",)
            )
        metrics = client.get(f"{url}/metrics")
        steps = _steps(metrics.text) if metrics.status_code == httpx.codes.OK else ()
    except (httpx.HTTPError, ValueError) as error:
        return Probe(name, url, at, None, (f"does not answer ({type(error).__name__})",))
    notes = told.get("notes") or {}
    return Probe(
        name,
        url,
        at,
        bool(told["ready"]),
        tuple(str(one) for one in told.get("problems", ())),
        tuple(f"{part}: {what}" for part, what in notes.items()) if isinstance(notes, dict) else (),
        told,
        steps,
    )


def quantile(steps: Sequence[tuple[float, float]], level: float) -> float | None:
    """A quantile of a cumulative histogram, linear within a bucket; None of an empty one.

    >>> quantile(((0.01, 50.0), (0.02, 100.0), (float("inf"), 100.0)), 0.75)
    0.015
    """
    if not steps or not steps[-1][1]:
        return None
    wanted, low, below = level * steps[-1][1], 0.0, 0.0
    for bound, count in steps:
        if count >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / max(count - below, 1e-12)
        low, below = bound, count
    return low


def _steps(text: str) -> tuple[tuple[float, float], ...]:
    found = [
        (float(sample.labels["le"]), float(sample.value))
        for family in text_string_to_metric_families(text)
        if family.name == STEP
        for sample in family.samples
        if sample.name == f"{STEP}_bucket"
    ]
    return tuple(sorted(found))
