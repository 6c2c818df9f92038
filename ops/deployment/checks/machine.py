"""This machine: disk, and its clock against the server's and the registry's."""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from contracts.connect import nodes_of
from ops.deployment.finding import Finding
from ops.settings import Settings

GB = 1_000_000_000
COPIES = 4
"""Of a package at the moment of switching: archive, draft, release and the registry's download."""


def disk(settings: Settings, package_bytes: int) -> Finding:
    """Free space where the workspace lies."""
    folder = settings.workspace_path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    least = settings.deploy.min_free_gb * GB + COPIES * package_bytes
    told = f"{free / GB:.1f} GB free in the workspace, {least / GB:.1f} GB asked"
    if free < least:
        return Finding("free disk", "fail", told, "make room, or set `workspace` to another disk")
    return Finding("free disk", "pass", told)


def size_of(path: Path) -> int:
    """Bytes of a file, or of a folder's files."""
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def clocks(client: Any, settings: Settings) -> Iterator[Finding]:
    """Ours against the server's, which closes bars, and the registry's."""
    tolerance = settings.deploy.clock_tolerance_s
    for node, own in nodes_of(client).items():
        before = time.time()
        seconds, micro = own.time()
        after = time.time()
        name = f"clock of the server{' ' + node if node else ''}"
        apart = seconds + micro / 1e6 - (before + after) / 2
        yield _apart(name, apart, (after - before) / 2, tolerance)
    yield registry_clock(settings)


def registry_clock(settings: Settings) -> Finding:
    """The registry's, by the Date of an answer; whole seconds are all it tells."""
    name, uri = "clock of the registry", settings.registry_uri
    if not uri.startswith(("http://", "https://")):
        return Finding(name, "pass", "the registry is a file of this machine")
    scheme, _, rest = uri.partition("://")
    try:
        with urllib.request.urlopen(
            f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}/health", timeout=settings.registry.timeout_s
        ) as answer:
            said = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        said = error.headers.get("Date")
    except OSError as error:
        return Finding(name, "unknown", f"no answer: {error}")
    if not said:
        return Finding(name, "unknown", "its answers carry no date")
    apart = parsedate_to_datetime(said).timestamp() + 0.5 - time.time()
    return _apart(name, apart, 0.5, settings.deploy.clock_tolerance_s)


def _apart(name: str, seconds: float, within: float, tolerance: float) -> Finding:
    told = f"{seconds:+.2f} s from ours (known to ±{within:.2f} s)"
    if abs(seconds) > tolerance + within:
        return Finding(
            name,
            "fail",
            told + f", {tolerance:g} s allowed",
            "let NTP or chrony set both clocks; bars close by it",
        )
    return Finding(name, "pass", told)
