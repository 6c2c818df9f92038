"""The package that is to be deployed: found, verified, and read where it lies."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.model.bundle import Bundle, load_bundle
from offline.gates import Approval, read_approvals, require_signoff
from offline.gates.approvals import approvals_file
from offline.package import Verified, verify_package
from offline.package.archive import unpack
from offline.package.build import write_files
from ops.settings import Settings

MODELS = "models"


@dataclass(frozen=True, slots=True)
class Opened:
    """A verified package, unpacked in `folder`, and the bundle inside."""

    source: Path
    folder: Path
    verified: Verified
    bundle: Bundle

    @property
    def version(self) -> str:
        """`1.0.0-hpo`."""
        return self.verified.manifest.version

    @property
    def python(self) -> str | None:
        """`3.11`: what it was made with."""
        told: dict[str, Any] = json.loads((self.folder / "manifest.json").read_bytes())
        return told.get("python")


def plain_version(text: str) -> str:
    """A version without the leading v.

    >>> plain_version("v1.0.0-hpo"), plain_version("1.0.0")
    ('1.0.0-hpo', '1.0.0')
    """
    return text.removeprefix("v")


def find_package(settings: Settings, version: str | None, given: Path | None) -> Path:
    """The tar.gz or folder to deploy: the one given, else that of `version` in the workspace's packages.

    Raises:
        BadInputError: there is none, or neither a version nor a file was named.
    """
    if given is not None:
        if not given.exists():
            raise BadInputError(
                f"expected a package at {given}, found nothing; make one with `bands package`"
            )
        return given
    if version is None:
        raise BadInputError("expected a version such as v1.0.0-hpo or --package FILE, found neither")
    folder = settings.workspace_path / "packages"
    name = f"production_v{plain_version(version)}"
    for found in (folder / f"{name}.tar.gz", folder / name):
        if found.exists():
            return found
    there = sorted(one.name for one in folder.glob("production_v*.tar.gz")) if folder.is_dir() else []
    raise BadInputError(
        f"expected {name}.tar.gz in {folder}, found {', '.join(there) or 'no package'}; make it with `bands "
        "package`, or name another file with --package"
    )


@contextmanager
def opened(source: Path) -> Iterator[Opened]:
    """Verify a package and unpack it for reading; a tar.gz into a temporary folder.

    Raises:
        BadInputError: anything in it is missing, altered, added, a link, or about another bundle.
    """
    if source.is_dir():
        folder = source.resolve()
        verified = verify_package(folder)
        yield Opened(source, folder, verified, load_bundle(folder / MODELS, accelerate=False))
        return
    verified = verify_package(source)
    name, files = unpack(source)
    with tempfile.TemporaryDirectory(prefix="bands-package-") as scratch:
        folder = Path(scratch) / name
        write_files(folder, files)
        yield Opened(source, folder, verified, load_bundle(folder / MODELS, accelerate=False))


def signoffs(package: Path, bundle_sha256: str, settings: Settings) -> list[Approval]:
    """The sign-offs of both roles, from inside the package or from the workspace.

    Raises:
        BadInputError: neither place has both, or the chain of one is broken.
    """
    told = package / "docs" / "approvals.jsonl"
    if told.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            approvals_file(Path(scratch), bundle_sha256).write_bytes(told.read_bytes())
            inside = read_approvals(Path(scratch), bundle_sha256)
            own = settings.workspace_path / "approvals"
            if inside and not read_approvals(own, bundle_sha256):
                return require_signoff(Path(scratch), bundle_sha256)
    return require_signoff(settings.workspace_path / "approvals", bundle_sha256)
