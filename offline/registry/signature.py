"""Whether a registered bundle is signed, asked of the registry without downloading the rest of it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from contracts.model.bundle import SIGNATURE, SignatureError, TrustedKeys
from contracts.model.bundle.folder import MANIFEST
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, SHA256_TAG


def require_signed(client: Any, version: str, trusted: TrustedKeys) -> str:
    """The id of the trusted key that signed a registered version's manifest.

    Raises:
        SignatureError: no trusted key has, or the manifest there is not the one of the version's tag.
        MlflowException: the registry does not answer.
    """
    found = client.get_model_version(BUNDLE_MODEL, version)
    where = f"version {version} of {BUNDLE_MODEL}"
    manifest = _read(client, found.source, MANIFEST)
    if manifest is None:
        raise SignatureError(f"expected {MANIFEST} in {where}, found none; publish the bundle again")
    sha256 = hashlib.sha256(manifest).hexdigest()
    if sha256 != found.tags.get(SHA256_TAG):
        raise SignatureError(
            f"expected the manifest of the tag {SHA256_TAG} in {where}, found {sha256[:12]}; publish it again"
        )
    return trusted.verify(manifest, _read(client, found.source, SIGNATURE), where)


def attach_signature(client: Any, version: Any, folder: Path) -> None:
    """Bring the signatures of a bundle folder to its registered version, where they differ."""
    file = folder / SIGNATURE
    if file.is_file() and _read(client, version.source, SIGNATURE) != file.read_bytes():
        client.log_artifact(version.run_id, str(file), BUNDLE_ARTIFACT)


def _read(client: Any, source: str, name: str) -> bytes | None:
    from mlflow.artifacts import download_artifacts, list_artifacts

    listed = list_artifacts(artifact_uri=source, tracking_uri=client.tracking_uri)
    if name not in {Path(one.path).name for one in listed or ()}:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        # Into a folder of our own: a local store would otherwise hand out the file it keeps.
        got = download_artifacts(
            artifact_uri=f"{source}/{name}", dst_path=scratch, tracking_uri=client.tracking_uri
        )
        return Path(got).read_bytes()
