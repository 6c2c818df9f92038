"""No secret among the tracked files: detect-secrets over all but lock files, against `.ci/secrets.baseline`.

The baseline lists what was looked at and is none, by hash. A finding that is none belongs there, after a
look: `python .ci/secret_scan.py --accept`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / ".ci" / "secrets.baseline"
NO_SECRETS_BY_NATURE = ("requirements/lock.txt", "offline/leaderboard/peers.txt", ".ci/secrets.baseline")
"""Hashes of packages, and of what was accepted."""
SUFFIXES = frozenset({".png", ".parquet", ".npz", ".svg", ".lock"})


def tracked() -> list[str]:
    """Tracked files and new ones that are not ignored, as text files to be looked at."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted(name for name in told.split("\0") if name and name not in NO_SECRETS_BY_NATURE)
    return [name for name in names if Path(name).suffix not in SUFFIXES and (ROOT / name).is_file()]


def scan(names: list[str]) -> set[tuple[str, str, str]]:
    """What looks like a secret: file, kind, hash."""
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import default_settings

    found = SecretsCollection(root=str(ROOT))
    with default_settings():
        found.scan_files(*names)
    told: dict[str, list[dict[str, Any]]] = found.json()
    return {(name, one["type"], one["hashed_secret"]) for name, rows in told.items() for one in rows}


def main(arguments: list[str]) -> int:
    """0 nothing new, 1 a finding that nobody has accepted."""
    names = [str(Path(one)) for one in arguments if not one.startswith("--")] or tracked()
    found = scan(names)
    if "--accept" in arguments:
        BASELINE.write_text(json.dumps(sorted(found), indent=1) + "\n")
        sys.stdout.write(f"{len(found)} findings accepted in {BASELINE.name}: look at the diff\n")
        return 0
    known = {tuple(one) for one in json.loads(BASELINE.read_text())} if BASELINE.exists() else set()
    for name, kind, digest in sorted(found - known):
        sys.stderr.write(f"{name}: {kind} (hash {digest[:12]}); take it out and change it, or accept it\n")
    sys.stdout.write(f"{len(names)} files looked at, {len(found - known)} secrets\n")
    return 1 if found - known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
