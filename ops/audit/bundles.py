"""Finding the folders of bundles that once answered, by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from contracts.model.bundle import Bundle, load_bundle
from ops.audit.swaps import MissingBundleError
from ops.settings import Settings

MANIFEST = "manifest.json"


def find_folders(settings: Settings, given: Sequence[Path] = ()) -> dict[str, Path]:
    """Every bundle folder at hand by sha256: those given, the registry's cache, the workspace's bundles.

    Raises:
        FileNotFoundError: a folder given is no bundle.
    """
    for folder in given:
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(f"expected a bundle folder, found no {MANIFEST} in {folder}")
    found: dict[str, Path] = {}
    for folder in (*given, *_inside(settings.workspace_path / "champions"), *_inside(settings.bundles_path)):
        found.setdefault(hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(), folder)
    return found


def load_needed(needed: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, Bundle]:
    """Verify and load the bundles `needed` (label by sha256).

    Raises:
        MissingBundleError: the folder of one is not known.
        BundleError: a folder does not verify.
    """
    for sha256, label in needed.items():
        if sha256 not in folders:
            raise MissingBundleError(sha256, label)
    return {sha256: load_bundle(folders[sha256], accelerate=False) for sha256 in needed}


def _inside(folder: Path) -> Iterator[Path]:
    inside: Iterable[Path] = sorted(folder.iterdir()) if folder.is_dir() else ()
    return (one for one in inside if (one / MANIFEST).is_file())
