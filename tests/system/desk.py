"""People's commands on a server with users: each a process of one role, in one workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from offline.registry import publish, sqlite_uri
from tests.behaviour.harness import SHORT
from tests.market import TestMarket
from tests.ops.security.servers import SecureServer


class Desk:
    """`bands` as a process of one role, in one workspace."""

    def __init__(self, server: SecureServer, home: Path, tracking_uri: str) -> None:
        self.server, self.home = server, home
        self.registry = {"BANDS_REGISTRY__TRACKING_URI": tracking_uri}

    def environment(self, role: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        own = {"BANDS_WORKSPACE": str(self.home / "var"), "COLUMNS": "200", **self.registry}
        return plain | self.server.environment(role) | SHORT | own

    def bands(self, role: str, *words: str, fails: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ops.cli", *words],
            env=self.environment(role),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


def publish_two(folder: Path, first: TestMarket, second: TestMarket) -> Path:
    """The database of a registry with a champion, version 1, and a bundle without an alias, version 2."""
    publish(first.folder, sqlite_uri(folder), artifacts=folder / "artifacts")
    publish(second.folder, sqlite_uri(folder), artifacts=folder / "artifacts", alias=None)
    return folder / "mlflow.db"
