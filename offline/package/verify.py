"""Whether a production package is whole: hashes, the bundle inside, and evidence that is about it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import BadInputError
from contracts.model.bundle import TrustedKeys, load_bundle, read_signature
from contracts.model.bundle.folder import MANIFEST as BUNDLE_MANIFEST
from contracts.model.bundle.manifest import BundlePath, Sha256, Version
from offline.gates import REPORT, about_this_bundle, load_policy, read_gates, read_results
from offline.gates.approvals import approvals_file, read_approvals
from offline.package.archive import unpack
from offline.package.hashes import MANIFEST, differences

SHOWN = 5
"""Differences told in one error."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Bundle(_Told):
    label: str
    sha256: Sha256


class PackageManifest(_Told):
    """What a package says of itself."""

    name: str
    version: Version
    bundle: _Bundle
    go: bool | None
    signed: tuple[str, ...]
    files: dict[BundlePath, Sha256]


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that is whole, the hash of its manifest, and the trusted key that signed its bundle."""

    manifest: PackageManifest
    sha256: str
    key_id: str | None = None


def verify_package(path: Path, *, trusted: TrustedKeys | None = None) -> Verified:
    """Verify a package's folder or tar.gz; the latter in a temporary folder, after its members are checked.

    With `trusted` keys one of them must have signed the bundle inside.

    Raises:
        BadInputError: anything is missing, altered, added, a link, outside, about another bundle, or not
            signed as asked.
    """
    if path.is_dir():
        return verify_folder(path.resolve(), trusted=trusted)  # `.` has no name
    name, files = unpack(path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        for inside, data in files.items():
            target = folder / inside
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except OSError as error:  # a file where another member needs a folder
                raise BadInputError(f"expected files and folders apart in {path}, found {inside}") from error
        return verify_folder(folder, trusted=trusted)


def verify_folder(folder: Path, *, trusted: TrustedKeys | None = None) -> Verified:
    """Verify an unpacked package; raises as `verify_package` does."""
    if found := differences(folder):
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise BadInputError(
            f"expected every file of {folder.name} as it was packed, found {'; '.join(found[:SHOWN])}{more}; "
            "fetch the package again"
        )
    raw = (folder / MANIFEST).read_bytes()
    try:
        manifest = PackageManifest.model_validate_json(raw)
    except ValidationError as error:
        raise BadInputError(f"expected a package/1 manifest in {folder.name}, found: {error}") from error
    wanted = f"production_v{manifest.version}"
    if manifest.name != wanted:
        raise BadInputError(
            f"expected a package of version {manifest.version} to be named {wanted}, found "
            f"{manifest.name!r}; fetch it again from whoever made it"
        )
    if folder.name != wanted:
        raise BadInputError(f"expected the folder to be named {wanted}, found {folder.name}")
    _about_one_bundle(folder, manifest, trusted)
    return Verified(manifest, hashlib.sha256(raw).hexdigest(), _signer(folder / "models", trusted))


def _about_one_bundle(folder: Path, manifest: PackageManifest, trusted: TrustedKeys | None) -> None:
    """Consistent hashes can be made by anyone: the contents must also agree with each other."""
    bundle = load_bundle(folder / "models", accelerate=False, trusted=trusted)
    wanted = manifest.bundle.sha256
    if bundle.sha256 != wanted:
        raise BadInputError(f"expected bundle {wanted[:12]} in models/, found {bundle.sha256[:12]}")
    for copy, original in (("calibrators/calibrators.json", "models/calibrators.json"),):
        if not (folder / copy).is_file() or (folder / copy).read_bytes() != (folder / original).read_bytes():
            raise BadInputError(f"expected {copy} to be {original}, found another")
    source, results = read_results(folder / "docs/results.json")
    policy = load_policy(folder / "configs/gates.toml")
    about = about_this_bundle(bundle.manifest, results, policy.policy.evidence.unvalidated_days)
    if about.status != "pass":
        raise BadInputError(f"expected docs/results.json about this bundle, found {about.detail}")
    go = None
    if (folder / "docs" / REPORT).exists():
        go = read_gates(folder / "docs" / REPORT, wanted, source.sha256)[1].go
    if go != manifest.go:
        raise BadInputError(f"expected the verdict {go} of the gates report, the manifest says {manifest.go}")
    if _signed(folder, wanted) != list(manifest.signed):
        raise BadInputError("expected the sign-offs of docs/approvals.jsonl, found others in the manifest")


def _signer(bundle: Path, trusted: TrustedKeys | None) -> str | None:
    if trusted is None:
        return None
    return trusted.verify((bundle / BUNDLE_MANIFEST).read_bytes(), read_signature(bundle), bundle)


def _signed(folder: Path, bundle_sha256: str) -> list[str]:
    given = folder / "docs" / "approvals.jsonl"
    if not given.exists():
        return []
    with tempfile.TemporaryDirectory() as scratch:
        approvals_file(Path(scratch), bundle_sha256).write_bytes(given.read_bytes())
        return sorted({approval.role for approval in read_approvals(Path(scratch), bundle_sha256)})
