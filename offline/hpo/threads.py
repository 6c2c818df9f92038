"""How many fits to run at once: performance cores on Apple Silicon, physical cores on Linux."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PUBLISHED_THREADS = 20
"""What the reference system ran its search on."""
PUBLISHED = "published"
_CPUS = Path("/sys/devices/system/cpu")


def plan_workers(asked: int | str | None = None, *, cores: Callable[[], int] | None = None) -> int:
    """The number asked for, the preset `published`, or one per core that is worth a fit.

    Efficiency cores and hyperthreads are left to the system: a rung waits for its slowest cell.

    Raises:
        ValueError: neither a positive number nor the preset.

    >>> plan_workers("published"), plan_workers(3), plan_workers("6"), plan_workers(cores=lambda: 10)
    (20, 3, 6, 10)
    """
    if asked is None:
        return max(1, (cores or fast_cores)())
    if asked == PUBLISHED:
        return PUBLISHED_THREADS
    if not str(asked).isdecimal() or int(asked) < 1:
        raise ValueError(f"expected a positive number of threads or {PUBLISHED!r}, found {asked!r}")
    return int(asked)


def fast_cores(platform: str = sys.platform) -> int:
    """Performance cores on macOS, physical cores this process may use on Linux, else every core."""
    if platform == "darwin":
        for key in ("hw.perflevel0.physicalcpu", "hw.physicalcpu"):
            if (count := sysctl(key)) is not None:
                return count
    if platform.startswith("linux"):
        return physical_cores(_CPUS, os.sched_getaffinity(0))
    return os.cpu_count() or 1


def physical_cores(cpus: Path, usable: set[int]) -> int:
    """Usable processors counted once per physical core; all of them where the kernel does not tell."""
    groups = set()
    for cpu in usable:
        siblings = cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        try:
            groups.add(siblings.read_text().strip())
        except OSError:
            return len(usable)
    return len(groups)


def sysctl(key: str) -> int | None:
    """A positive number from `sysctl`, None where there is none."""
    try:
        told = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = told.stdout.strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None
