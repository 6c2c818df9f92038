"""What the registry's aliases point at, fetched by `worker.look_up` in a process of its own.

MLflow's client costs 81 MB and seconds of import; a short-lived child keeps both, and any hang of the
registry, away from the event loop that serves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import write_atomic
from contracts.model.bundle import (
    Bundle,
    BundleError,
    SignatureError,
    TrustedKeys,
    load_bundle,
)
from contracts.registry import (
    BUNDLE_MODEL,
    CHALLENGER,
    CHAMPION,
)
from worker.lineup import Lineup
from worker.look_up import REFUSED, TRACKING_URI, FetchError, masked

log = logging.getLogger(__name__)


class RefusedBundleError(FetchError):
    """The registry answered, and what its alias points at is not to be believed."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the aliases are looked up, and how long that may take.

    `alias` is the champion's; without `challenger` no shadow is served. With `trusted_keys`, public keys or
    folders of them, no bundle is believed that none of them has signed; they are read anew at every look.
    """

    tracking_uri: str
    cache: Path
    alias: str = CHAMPION
    http_timeout_s: float = 3.0
    timeout_s: float = 60.0
    challenger: str | None = CHALLENGER
    poll_s: float = 60.0
    trusted_keys: tuple[Path, ...] = ()


async def fetch_lineup(settings: RegistrySettings, known: Lineup | None = None) -> Lineup:
    """Look the aliases up, download what they point at into the cache unless it is there, verify, load.

    Bundles that `known` holds already are not loaded again; the others are loaded off the event loop.

    Raises:
        FetchError: the registry is down, has no champion, or a download does not verify.
    """
    try:
        settings.cache.mkdir(parents=True, exist_ok=True)
        found = await _ask(settings)
    except OSError as error:
        told = f"{type(error).__name__}: {error}"
        raise FetchError(f"expected to look the registry up, found {told}") from error
    loaded = {one.sha256: one for one in known.bundles} if known is not None else {}
    keys = settings.trusted_keys

    async def bundle_of(alias: str) -> Bundle | None:
        told = found.get(alias)
        if told is None:
            return None
        if told["sha256"] not in loaded:
            folder = Path(told["folder"])
            loaded[told["sha256"]] = await asyncio.to_thread(_load, folder, keys)
        return loaded[told["sha256"]]

    try:
        champion = await bundle_of("champion")
        challenger = await bundle_of("challenger")
    except (BundleError, SignatureError) as error:
        raise FetchError(str(error)) from error
    if challenger is not None and champion is not None and challenger.sha256 == champion.sha256:
        challenger = None
    share = found["share"] if challenger is not None else 0.0
    lineup = Lineup(champion, challenger, share, found.get("left_out"))
    kept = {
        "champion": champion.sha256 if champion else None,
        "challenger": challenger.sha256 if challenger else None,
        "share": lineup.share,
    }
    try:
        write_atomic(_kept_path(settings), json.dumps(kept).encode())
    except OSError as error:
        log.warning("the lineup is served, its local record could not be kept: %s", error)
    return lineup


def kept_lineup(settings: RegistrySettings) -> Lineup | None:
    """The verified local copy of what the aliases pointed at when last seen; None without a champion."""
    try:
        kept = json.loads(_kept_path(settings).read_bytes())
        champion = _kept_bundle(settings, kept["champion"])
        challenger = _kept_bundle(settings, kept["challenger"])
        share = float(kept["share"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if champion is None:
        return None
    return Lineup(champion, challenger, share if challenger is not None else 0.0)


def _kept_path(settings: RegistrySettings) -> Path:
    return settings.cache / f"last-{settings.alias}.json"


def _kept_bundle(settings: RegistrySettings, sha256: str | None) -> Bundle | None:
    if sha256 is None:
        return None
    try:
        bundle = _load(settings.cache / sha256, settings.trusted_keys)
    except (BundleError, SignatureError) as error:
        log.warning("the local copy of bundle %s does not verify: %s", sha256[:12], error)
        return None
    return bundle if bundle.sha256 == sha256 else None


def _load(folder: Path, keys: Sequence[Path]) -> Bundle:
    return load_bundle(folder, accelerate=False, trusted=TrustedKeys.of(keys))


async def _ask(settings: RegistrySettings) -> dict[str, Any]:
    command = ["-m", "worker.look_up", settings.alias, str(settings.cache)]
    if settings.challenger is not None:
        command += ["--challenger", settings.challenger]
    for key in settings.trusted_keys:
        command += ["--trusted", str(key)]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(settings.http_timeout_s))),
            # Not an argument: it may hold credentials, and arguments are for all to see.
            TRACKING_URI: settings.tracking_uri,
        },
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), settings.timeout_s)
    except TimeoutError as error:
        raise FetchError(
            f"expected an answer of the registry within {settings.timeout_s} s, found none"
        ) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    said = masked((err.decode(errors="replace").strip().splitlines() or ["no output"])[-1])
    if child.returncode == REFUSED:
        raise RefusedBundleError(f"{BUNDLE_MODEL}@{settings.alias} was refused: {said}")
    if child.returncode != 0:
        raise FetchError(
            f"expected {BUNDLE_MODEL}@{settings.alias} in the registry, found: {said}; publish a bundle "
            "with `bands publish`, or serve a folder with --bundle"
        )
    if err.strip():
        log.warning("registry: %s", said)
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer
