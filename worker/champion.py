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
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UnavailableError
from contracts.model.bundle import Bundle, BundleError, load_bundle, verify_bundle
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, CHAMPION, SHA256_TAG

log = logging.getLogger(__name__)


class ChampionError(UnavailableError):
    """No champion could be fetched; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the champion is looked up, and how long that may take."""

    tracking_uri: str
    cache: Path
    alias: str = CHAMPION
    timeout_s: float = 60.0


async def fetch_champion(settings: RegistrySettings) -> Bundle:
    """Look the alias up, download the bundle into the cache unless it is there, verify, load.

    Raises:
        ChampionError: the registry is down, has no such alias, or the download does not verify.
    """
    settings.cache.mkdir(parents=True, exist_ok=True)
    command = ("-m", "worker.champion", settings.tracking_uri, settings.alias, str(settings.cache))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
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
        return load_bundle(Path(json.loads(out.splitlines()[-1])["folder"]), accelerate=False)
    except BundleError as error:
        raise ChampionError(str(error)) from error


def download(tracking_uri: str, alias: str, cache: Path) -> Path:
    """Bring the bundle the alias points at into `cache`, in one piece; return its folder."""
    from mlflow.artifacts import download_artifacts
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri, tracking_uri)
    version = client.get_model_version_by_alias(BUNDLE_MODEL, alias)
    folder = cache / version.tags[SHA256_TAG]
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
        if load_bundle(got).sha256 != version.tags[SHA256_TAG]:
            raise BundleError(
                f"expected bundle {version.tags[SHA256_TAG]}, found another in {BUNDLE_ARTIFACT}"
            )
        got.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tracking_uri")
    parser.add_argument("alias")
    parser.add_argument("cache", type=Path)
    asked = parser.parse_args()
    folder = download(asked.tracking_uri, asked.alias, asked.cache)
    sys.stdout.write(json.dumps({"folder": str(folder)}) + "\n")


if __name__ == "__main__":
    _main()
