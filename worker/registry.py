"""Fetching what the registry's aliases point at, in a process of its own: `python -m worker.registry`.

MLflow's client costs 81 MB and seconds of import; a short-lived child keeps both, and any hang of the
registry, away from the event loop that serves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UnavailableError
from contracts.files import write_atomic
from contracts.model.bundle import (
    Bundle,
    BundleError,
    SignatureError,
    TrustedKeys,
    load_bundle,
    verify_bundle,
)
from contracts.registry import (
    BUNDLE_ARTIFACT,
    BUNDLE_MODEL,
    CHALLENGER,
    CHAMPION,
    SHA256_TAG,
    SHARE_TAG,
)
from worker.lineup import Lineup

log = logging.getLogger(__name__)


TRACKING_URI = "MLFLOW_TRACKING_URI"


DRAFT = ".download."
DRAFT_MAX_AGE_S = 3_600.0
"""A look may take `RegistrySettings.timeout_s`, a minute."""


class FetchError(UnavailableError):
    """The lineup could not be fetched; the message says why and what to do."""


class RefusedBundleError(FetchError):
    """The registry answered, and what its alias points at is not to be believed."""


REFUSED = 3
"""The child's exit code for that."""


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
    command = ["-m", "worker.registry", settings.alias, str(settings.cache)]
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
    said = _masked((err.decode(errors="replace").strip().splitlines() or ["no output"])[-1])
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


def look_up(
    tracking_uri: str,
    champion: str,
    challenger: str | None,
    cache: Path,
    trusted: TrustedKeys | None = None,
) -> dict[str, Any]:
    """What both aliases point at, downloaded; a challenger that can not be had is left out, told why."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri, tracking_uri)
    aliases = client.get_registered_model(BUNDLE_MODEL).aliases  # both in one read: never a torn pair
    if champion not in aliases:
        raise FetchError(f"Registered model alias {champion} not found.")
    version = client.get_model_version(BUNDLE_MODEL, str(aliases[champion]))
    told: dict[str, Any] = {
        "champion": _told(version, tracking_uri, cache, trusted),
        "challenger": None,
        "share": 0.0,
        "left_out": None,
    }
    if challenger is not None and challenger in aliases:
        try:
            rival = client.get_model_version(BUNDLE_MODEL, str(aliases[challenger]))
            share = _share(rival.tags.get(SHARE_TAG, "0"))
            told |= {"challenger": _told(rival, tracking_uri, cache, trusted), "share": share}
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the champion away
            told["left_out"] = _masked(f"{type(error).__name__}: {error}")
            log.warning("no shadow: %s", told["left_out"])
    return told


def _masked(told: str) -> str:
    """Without the credentials of a URL: MLflow quotes the whole of it."""
    return re.sub(r"//[^/@\s]*@", "//***@", told)


def _share(tag: str) -> float:
    share = float(tag)
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"expected a share in [0, 1] in the tag {SHARE_TAG}, found {tag}")
    return share


def _told(version: Any, tracking_uri: str, cache: Path, trusted: TrustedKeys | None) -> dict[str, str]:
    folder = _download(version, tracking_uri, cache, trusted)
    return {"sha256": folder.name, "folder": str(folder)}


def _download(version: Any, tracking_uri: str, cache: Path, trusted: TrustedKeys | None) -> Path:
    """Bring a bundle version into `cache`, in one piece; return its folder, named by its sha256."""
    from mlflow.artifacts import download_artifacts

    sha256 = version.tags.get(SHA256_TAG, "")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        # It names a folder below, one that is removed when it does not verify.
        raise BundleError(f"expected a sha256 in the tag {SHA256_TAG}, found {sha256[:80]!r}")
    folder: Path = cache / sha256
    if folder.is_dir():
        try:
            verify_bundle(folder, trusted)
        except BundleError as error:
            log.warning("fetching the bundle again: %s", error)
            shutil.rmtree(folder)
        else:
            return folder
    # Without dst_path a local store would hand out, and write into, its own folder.
    _drop_old_drafts(cache)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=cache))
    try:
        got = Path(
            download_artifacts(artifact_uri=version.source, dst_path=str(draft), tracking_uri=tracking_uri)
        )
        if load_bundle(got, accelerate=False, trusted=trusted).sha256 != sha256:
            raise BundleError(f"expected bundle {sha256}, found another in {BUNDLE_ARTIFACT}")
        try:
            got.rename(folder)
        except OSError:
            # Another worker of this machine was faster; what it brought must verify like any other.
            verify_bundle(folder, trusted)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _drop_old_drafts(cache: Path) -> None:
    """Remove what a look that was killed has left; one that runs is younger than that."""
    for draft in cache.glob(f"{DRAFT}*"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > DRAFT_MAX_AGE_S:
                shutil.rmtree(draft, ignore_errors=True)


def _main() -> None:
    logging.basicConfig(format="%(message)s")
    parser = argparse.ArgumentParser()
    parser.add_argument("alias")
    parser.add_argument("cache", type=Path)
    parser.add_argument("--challenger")
    parser.add_argument("--trusted", type=Path, action="append", default=[])
    asked = parser.parse_args()
    try:
        trusted = TrustedKeys.of(asked.trusted)
        told = look_up(os.environ[TRACKING_URI], asked.alias, asked.challenger, asked.cache, trusted)
    except (BundleError, SignatureError) as error:
        log.error("%s", error)  # noqa: TRY400 - one line for the parent
        sys.exit(REFUSED)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    _main()
