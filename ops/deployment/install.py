"""Releases on disk: verified, unpacked in one piece, and the link `current` that says which one is meant.

releases/1.0.0-hpo/production_v1.0.0-hpo/…
releases/current -> 1.0.0-hpo/production_v1.0.0-hpo
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from contracts.errors import BadInputError
from contracts.files import sync_folder
from contracts.model.bundle import verify_bundle
from offline.package.archive import unpack
from offline.package.build import write_files
from offline.package.hashes import MANIFEST, differences
from offline.package.verify import verify_folder
from ops.deployment.package import MODELS, Opened
from ops.settings import Settings

CURRENT = "current"


def releases_path(settings: Settings) -> Path:
    """Where releases lie."""
    return settings.workspace_path / "releases"


def install(package: Opened, settings: Settings) -> tuple[Path, bool]:
    """Unpack a verified package; its folder, and whether it is new. The same package again changes nothing.

    Raises:
        BadInputError: another package of this version is installed; versions are never used twice.
    """
    name = package.verified.manifest.name
    home = releases_path(settings) / package.version
    folder = home / name
    if folder.exists():
        if _identity(folder) == package.verified.sha256 and not differences(folder):
            return folder, False
        if _identity(folder) == package.verified.sha256:
            shutil.rmtree(folder)  # the same package, damaged since: bring it back whole
        else:
            raise BadInputError(
                f"expected version {package.version} to be this package, found another one of that version "
                f"in {home}; pack with a new --version"
            )
    home.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=home))
    try:
        if package.source.is_dir():
            shutil.copytree(package.folder, draft / name)
        else:
            write_files(draft / name, unpack(package.source)[1])
        if verify_folder(draft / name).sha256 != package.verified.sha256:
            raise BadInputError(f"expected {package.source} to stay as it was verified, found it changed")
        _sync_tree(draft / name)
        (draft / name).rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_folder(home)
    sync_folder(home.parent)
    return folder, True


def current(settings: Settings) -> str | None:
    """What the link points at, relative to the releases; None without one."""
    link = releases_path(settings) / CURRENT
    return str(link.readlink()) if link.is_symlink() else None


def point_current(settings: Settings, target: str | None) -> None:
    """Move the link in one step; None removes it."""
    home = releases_path(settings)
    link = home / CURRENT
    if target is None:
        link.unlink(missing_ok=True)
        return
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{CURRENT}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    sync_folder(home)


def relative(folder: Path, settings: Settings) -> str:
    """A release's folder as the link tells it."""
    return folder.relative_to(releases_path(settings)).as_posix()


def release_of(bundle_sha256: str, settings: Settings) -> Path | None:
    """The installed release that holds this bundle, the one unpacked last; None where none does."""
    found = [
        manifest.parents[1]
        for manifest in releases_path(settings).glob(f"*/production_v*/{MODELS}/{MANIFEST}")
        if hashlib.sha256(manifest.read_bytes()).hexdigest() == bundle_sha256
    ]
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def bundle_in(target: str | None, settings: Settings) -> str | None:
    """The sha256 of the bundle a link's target holds, verified; None without one.

    Raises:
        BundleError: it does not verify.
    """
    if target is None:
        return None
    return verify_bundle(releases_path(settings) / target / MODELS)[1]


def _identity(folder: Path) -> str | None:
    manifest = folder / MANIFEST
    return hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None


def _sync_tree(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
