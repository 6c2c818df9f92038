"""One process of the system: a `bands` command with an address, ended with its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import UnavailableError

STOP_S = 15.0
LAST_LINES = 5


@dataclass(slots=True)
class Part:
    """`bands NAME arguments…`, its log in `log`; `page` answers 200 once it serves."""

    name: str
    arguments: Sequence[str]
    page: str
    log: Path
    env: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and return at once."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ops.cli", self.name, *self.arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                start_new_session=True,  # Ctrl-C is for the owner, who ends the parts in order
            )

    def serves(self) -> bool:
        """Whether its page answers 200 now.

        Raises:
            UnavailableError: the process has ended; the end of its log is told.
        """
        if self._process is None or self._process.poll() is not None:
            code = self._process.returncode if self._process else None
            tail = " | ".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise UnavailableError(
                f"expected `bands {self.name}` to run, found exit code {code}; {self.log} ends: {tail}"
            )
        try:
            with urllib.request.urlopen(self.page, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a while; does nothing once it has ended."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
