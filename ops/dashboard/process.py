"""A dashboard as a child process: started, waited for, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from contracts.errors import UnavailableError
from ops.embedded import free_port

START_S = 60.0


class DashboardProcess:
    """`bands dashboard` on a free port with a log of its own; of BANDS_* variables it sees `env` alone."""

    def __init__(self, log: Path, env: Mapping[str, str], *words: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        self._env = {**inherited, **env}
        self._command = [sys.executable, "-m", "ops.cli", "dashboard", "--port", str(self.port), *words]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            UnavailableError: it ended, or does not answer in time; the end of its log is told.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._env)
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        code = self._process.poll()
        self.stop()
        told = " | ".join(self.told().splitlines()[-5:])
        raise UnavailableError(f"expected a dashboard at {self.url}, found exit code {code}; its log: {told}")

    def told(self) -> str:
        """Everything it has logged so far."""
        return self._log.read_text(errors="replace")

    def memory_mb(self) -> float:
        """Resident memory in MB."""
        assert self._process is not None
        return float(psutil.Process(self._process.pid).memory_info().rss / 1e6)

    def stop(self) -> int:
        """SIGTERM it, wait, and return its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
