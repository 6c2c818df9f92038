"""Fewer fits at once while the machine throttles: 20 step down to 16, otherwise a fifth fewer.

A throttled processor is slower on all cores than a cool one on most of them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

Probe = Callable[[], bool]
"""Whether the machine throttles for heat now."""

LOOK_EVERY_S = 30.0
"""A package needs tens of seconds to cool after a step down; sooner looks would step twice for one cause."""
_ZONES = Path("/sys/class/thermal")


class ThermalGuard:
    """How many workers may run. It only steps down: a machine that throttled once will again.

    `probe` and `clock` are injected by tests. Safe to share between threads.

    >>> guard = ThermalGuard(20, probe=lambda: True)
    >>> guard.look(), guard.workers
    (True, 16)
    """

    def __init__(
        self,
        workers: int,
        probe: Probe | None = None,
        *,
        every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.workers = workers
        self._probe = probe or system_probe()
        self._every_s = every_s
        self._clock = clock
        self._told = told
        self._next = -float("inf")
        self._lock = Lock()

    def look(self) -> bool:
        """Probe if it is time to; True when this stepped down."""
        with self._lock:
            now = self._clock()
            if now < self._next or self.workers == 1:
                return False
            self._next = now + self._every_s
            if not self._probe():
                return False
            self.workers -= max(1, self.workers // 5)
            self._told(self.workers)
            return True


def system_probe(platform: str = sys.platform) -> Probe:
    """The probe of this platform; one that never reports where there is none."""
    if platform == "darwin":
        return macos_throttles
    if platform.startswith("linux"):
        return linux_throttles
    return lambda: False


def linux_throttles(zones: Path = _ZONES) -> bool:
    """Whether any thermal zone is at or above its first trip point of kind passive or hot."""
    return any(_zone_throttles(zone) for zone in zones.glob("thermal_zone*"))


def _zone_throttles(zone: Path) -> bool:
    try:
        temperature = int((zone / "temp").read_text())
        trips = [
            int(kind.with_name(kind.name.replace("_type", "_temp")).read_text())
            for kind in zone.glob("trip_point_*_type")
            if kind.read_text().strip() in {"passive", "hot"}
        ]
    except (OSError, ValueError):  # a sensor that is off answers with an error: it says nothing
        return False
    real = [trip for trip in trips if trip > 0]
    return bool(real) and temperature >= min(real)


def macos_throttles() -> bool:
    """Whether `pmset -g therm` reports a limited processor."""
    try:
        told = subprocess.run(
            ["pmset", "-g", "therm"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return pmset_throttles(told.stdout)


def pmset_throttles(text: str) -> bool:
    """Whether this answer of `pmset -g therm` reports a limited processor.

    >>> pmset_throttles("CPU_Scheduler_Limit = 100\\n CPU_Speed_Limit \\t= 72")
    True
    >>> pmset_throttles("Note: No thermal warning level has been recorded")
    False
    """
    limits = re.findall(r"CPU_(?:Speed|Scheduler)_Limit\s*=\s*(\d+)", text)
    levels = re.findall(r"[Tt]hermal (?:warning )?level\s*(?:set to|=|:)\s*(\d+)", text)
    return any(int(limit) < 100 for limit in limits) or any(int(level) > 0 for level in levels)
