"""A production package on disk: a folder and its tar.gz, both whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from contracts.errors import BadInputError
from contracts.files import sync_folder
from contracts.model.bundle import TrustedKeys
from contracts.model.bundle.manifest import Version
from offline.package.archive import mode_of, pack
from offline.package.contents import PackageInputs, gather
from offline.package.hashes import MANIFEST, differences
from offline.package.verify import verify_folder


@dataclass(frozen=True, slots=True)
class Package:
    """Where a package lies. `sha256` is its manifest's; `is_new` is False when it was there already."""

    folder: Path
    archive: Path
    sha256: str
    archive_sha256: str
    is_new: bool


def build_package(
    inputs: PackageInputs, version: str, out: Path, *, trusted: TrustedKeys | None = None
) -> Package:
    """Make `production_v<version>` and its tar.gz in the folder `out`; the same inputs give the same bytes.

    With `trusted` keys one of them must have signed the bundle.

    Raises:
        BadInputError: the inputs are damaged or not about each other; nothing is then written.
        FileExistsError: another package of this version is there; packages are never written over.
    """
    try:
        TypeAdapter(Version).validate_python(version)
    except ValidationError as error:
        raise BadInputError(f"expected a version such as 1.0.0-hpo, found {version!r}") from error
    name, files = gather(inputs, version, trusted)
    packed = pack(name, files)
    folder, archive = out / name, out / f"{name}.tar.gz"
    sha256, archive_sha256 = (hashlib.sha256(data).hexdigest() for data in (files[MANIFEST], packed))
    _refuse_other(folder, archive, files[MANIFEST], packed)
    is_new = not (folder.exists() and archive.exists())
    if is_new:
        out.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=out))
        try:
            write_files(draft / name, files)
            verify_folder(draft / name)
            _write(draft / archive.name, packed, 0o644)
            (draft / archive.name).replace(archive)
            if not folder.exists():
                (draft / name).rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        sync_folder(out)
    return Package(folder, archive, sha256, archive_sha256, is_new)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` by path under `folder`, scripts executable."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, data, mode_of(path))


def _write(path: Path, data: bytes, mode: int) -> None:
    with path.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fchmod(handle.fileno(), mode)
        os.fsync(handle.fileno())


def _refuse_other(folder: Path, archive: Path, manifest: bytes, packed: bytes) -> None:
    same_folder = not folder.exists() or (
        (folder / MANIFEST).is_file()
        and (folder / MANIFEST).read_bytes() == manifest
        and not differences(folder)
    )
    for path, same in (
        (folder, same_folder),
        (archive, not archive.exists() or archive.read_bytes() == packed),
    ):
        if not same:
            raise FileExistsError(
                f"expected no other package at {path}, found one; choose another --version or --out, or "
                "remove it"
            )
