"""The files that run the whole, written out for tests, and the tools that read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.deployment.templates import KINDS, write_files
from ops.settings import Settings

PARTITIONS = 3


def write_all(folder: Path) -> Path:
    """Every kind of file, for `PARTITIONS` partitions."""
    write_files(folder, Settings(workspace=folder / "var", stream={"partitions": PARTITIONS}))
    return folder


def tool(*names: str) -> str:
    """The first of these tools that is here; else the test skips, saying so."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not on PATH")
    return found


def run(*words: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=60,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(folder: Path) -> list[dict[str, Any]]:
    return [
        one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one
    ]


def plain(folder: Path) -> list[Path]:
    return [path for kind in KINDS for path in sorted((folder / kind).rglob("*")) if path.is_file()]
