"""Compare every file of a production package with its manifest.

This file is also the package's own `scripts/verify.py`: it needs Python alone and imports nothing of the
project. Exit code 0: all as it was packed; 1: something differs, each on a line of its own.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

MANIFEST = "manifest.json"


def differences(folder: Path) -> list[str]:
    """What is missing, altered, added or a link in the package `folder`; empty when nothing is."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{MANIFEST}: expected a package manifest, found {type(error).__name__}: {error}"]
    if not isinstance(told, dict):
        return [f"{MANIFEST}: expected files and their hashes, found {type(told).__name__}"]
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            found[name] = "a link or special file"
        elif path.is_file() and name != MANIFEST:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    differs = [f"{name}: missing" for name in told if name not in found]
    differs += [f"{name}: not of the package" for name in found if name not in told]
    differs += [f"{n}: expected sha256 {told[n]}, found {h}" for n, h in found.items() if told.get(n, h) != h]
    return sorted(differs)


def main() -> int:
    """Verify the package that this script lies in."""
    folder = Path(__file__).resolve().parents[1]
    differs = differences(folder)
    for line in differs:
        sys.stderr.write(f"{line}\n")
    if not differs:
        identity = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        sys.stdout.write(f"{folder.name}: every file as it was packed, manifest sha256 {identity}\n")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
