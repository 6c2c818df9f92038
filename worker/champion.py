"""Fetching the champion bundle, in a process of its own: `python -m worker.champion`.

MLflow's client costs 81 MB and seconds of import; a short-lived child keeps both, and any hang of the
registry, away from the event loop that serves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UnavailableError
from contracts.files import write_atomic
from contracts.model.bundle import Bundle, BundleError, load_bundle, verify_bundle
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, CHAMPION, SHA256_TAG

log = logging.getLogger(__name__)


TRACKING_URI = "MLFLOW_TRACKING_URI"


class ChampionError(UnavailableError):
    """No champion could be fetched; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the champion is looked up, and how long that may take."""

    tracking_uri: str
    cache: Path
    alias: str = CHAMPION
    http_timeout_s: float = 3.0
    timeout_s: float = 60.0


async def fetch_champion(settings: RegistrySettings) -> Bundle:
    """Look the alias up, download the bundle into the cache unless it is there, verify, load.

    Raises:
        ChampionError: the registry is down, has no such alias, or the download does not verify.
    """
    settings.cache.mkdir(parents=True, exist_ok=True)
    command = ("-m", "worker.champion", settings.alias, str(settings.cache))
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
        raise ChampionError(
            f"expected an answer of the registry within {settings.timeout_s} s, found none"
        ) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise ChampionError(
            f"expected {BUNDLE_MODEL}@{settings.alias} in the registry, found: {last[0]}; publish a bundle "
            "with `bands publish`, or serve a folder with --bundle"
        )
    try:
        bundle = load_bundle(Path(json.loads(out.splitlines()[-1])["folder"]), accelerate=False)
    except BundleError as error:
        raise ChampionError(str(error)) from error
    write_atomic(settings.cache / f"last-{settings.alias}", bundle.sha256.encode())
    return bundle


def last_champion(settings: RegistrySettings) -> Bundle | None:
    """The verified local copy of what the alias pointed at when last seen; None when there is none."""
    try:
        sha256 = (settings.cache / f"last-{settings.alias}").read_text()
        bundle = load_bundle(settings.cache / sha256, accelerate=False)
    except (OSError, BundleError):
        return None
    return bundle if bundle.sha256 == sha256 else None


def download(tracking_uri: str, alias: str, cache: Path) -> Path:
    """Bring the bundle the alias points at into `cache`, in one piece; return its folder."""
    from mlflow.artifacts import download_artifacts
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri, tracking_uri)
    version = client.get_model_version_by_alias(BUNDLE_MODEL, alias)
    sha256 = version.tags.get(SHA256_TAG, "")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        # It names a folder below, one that is removed when it does not verify.
        raise BundleError(f"expected a sha256 in the tag {SHA256_TAG}, found {sha256[:80]!r}")
    folder = cache / sha256
    if folder.is_dir():
        try:
            verify_bundle(folder)
        except BundleError as error:
            log.warning("fetching the bundle again: %s", error)
            shutil.rmtree(folder)
        else:
            return folder
    # Without dst_path a local store would hand out, and write into, its own folder.
    draft = Path(tempfile.mkdtemp(prefix=".download.", dir=cache))
    try:
        got = Path(
            download_artifacts(artifact_uri=version.source, dst_path=str(draft), tracking_uri=tracking_uri)
        )
        if load_bundle(got, accelerate=False).sha256 != sha256:
            raise BundleError(f"expected bundle {sha256}, found another in {BUNDLE_ARTIFACT}")
        got.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("alias")
    parser.add_argument("cache", type=Path)
    asked = parser.parse_args()
    folder = download(os.environ[TRACKING_URI], asked.alias, asked.cache)
    sys.stdout.write(json.dumps({"folder": str(folder)}) + "\n")


if __name__ == "__main__":
    _main()
