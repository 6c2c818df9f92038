"""A bundle under examination: loaded where it can be, with the reason where it can not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contracts.model.bundle import Bundle, BundleError, Manifest, load_bundle
from contracts.model.bundle.folder import MANIFEST


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a bundle folder; `bundle` is None when it does not load, for `problem`."""

    folder: Path
    manifest: Manifest
    sha256: str
    bundle: Bundle | None
    problem: str | None


def examine(folder: Path) -> Examined:
    """Read a bundle that may be damaged; only a manifest is needed to say which one it is.

    Raises:
        BundleError: there is no manifest, or it is not one.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = Manifest.model_validate_json(raw)
    except OSError as error:
        raise BundleError(
            f"expected a bundle folder at {folder}, found: {error.strerror or error}; `bands train` makes one"
        ) from error
    except ValidationError as error:
        raise BundleError(f"expected a bundle/1 manifest in {folder}, found: {error}") from error
    sha256 = hashlib.sha256(raw).hexdigest()
    try:
        bundle = load_bundle(folder, accelerate=False)
    except (BundleError, OSError) as error:
        told = str(error).replace(str(folder), "the bundle")  # a report must not depend on where it lay
        return Examined(folder, manifest, sha256, None, told)
    return Examined(folder, bundle.manifest, bundle.sha256, bundle, None)
