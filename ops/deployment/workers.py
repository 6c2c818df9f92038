"""Asking the workers themselves: the pages each partition's process serves."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from contracts.errors import BadInputError
from ops.settings import Settings

POLL_S = 0.2
TIMEOUT_S = 5.0
PORT_STEP = 100
"""Between the workers of one machine; retrainer, feed and dashboard have the ports between."""


def addresses(settings: Settings) -> tuple[str, ...]:
    """The base URL of every partition's worker, in the order of partitions.

    Raises:
        BadInputError: the setting names another number of workers than there are partitions.
    """
    partitions = settings.stream.partitions
    given = tuple(one.rstrip("/") for one in settings.deploy.workers if one)
    if not given:
        host = settings.worker.http_host
        host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
        return tuple(f"http://{host}:{settings.worker.http_port + PORT_STEP * p}" for p in range(partitions))
    if len(given) != partitions:
        raise BadInputError(
            f"expected {partitions} URLs in deploy.workers, one for each partition, found {len(given)}; "
            "correct the setting"
        )
    return given


def ask(url: str) -> tuple[int, bytes]:
    """Status and body of one page; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return int(error.code), error.read()
    except (OSError, ValueError):
        return 0, b""


def report(address: str) -> dict[str, Any]:
    """What a worker's `/ready` says; empty when nobody answers."""
    _, body = ask(f"{address}/ready")
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def serves(told: dict[str, Any], bundle_sha256: str | None) -> str | None:
    """Why a worker that reports `told` does not serve this bundle (any, for None), or None when it does."""
    if not told:
        return "nobody answers"
    if not told.get("ready"):
        return "not ready: " + ("; ".join(told.get("problems", ())) or "no reason told")
    if bundle_sha256 is not None and told.get("bundle_sha256") != bundle_sha256:
        notes = "; ".join(told.get("notes", {}).values())
        return f"serves {told.get('bundle')}" + (f" ({notes})" if notes else "")
    return None


def wait_serving(
    where: Sequence[str],
    bundle_sha256: str,
    timeout_s: float,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, str]:
    """Wait until every worker serves the bundle; what still speaks against it by address, empty when none.

    `tell` gets how many do, and of how many.
    """
    end = time.monotonic() + timeout_s
    while True:
        missing = {one: why for one in where if (why := serves(report(one), bundle_sha256)) is not None}
        tell(len(where) - len(missing), len(where))
        if not missing or time.monotonic() > end:
            return missing
        time.sleep(POLL_S)
