"""One look at the registry, in a process of its own: `python -m worker.look_up`.

It downloads and verifies what the aliases point at, and prints where that lies as one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contracts.errors import UnavailableError
from contracts.model.bundle import BundleError, SignatureError, TrustedKeys, load_bundle, verify_bundle
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, SHA256_TAG, SHARE_TAG, database_file

log = logging.getLogger(__name__)

TRACKING_URI = "MLFLOW_TRACKING_URI"

DRAFT = ".download."
DRAFT_MAX_AGE_S = 3_600.0
"""A look may take `RegistrySettings.timeout_s`, a minute."""

REFUSED = 3
"""Exit code where the registry answered and what its alias points at is not to be believed."""


class FetchError(UnavailableError):
    """The lineup could not be fetched; the message says why and what to do."""


def look_up(
    tracking_uri: str,
    champion: str,
    challenger: str | None,
    cache: Path,
    trusted: TrustedKeys | None = None,
) -> dict[str, Any]:
    """What both aliases point at, downloaded; a challenger that can not be had is left out, told why."""
    database = database_file(tracking_uri)
    if database is not None and not database.is_file():
        # MLflow would make one, in the way of whoever is about to publish into it.
        raise FetchError(f"no registry at {database}")
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
            told["left_out"] = masked(f"{type(error).__name__}: {error}")
            log.warning("no shadow: %s", told["left_out"])
    return told


def masked(told: str) -> str:
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
