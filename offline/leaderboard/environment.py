"""An environment of the peers' own, made on demand from hashed requirements.

Their packages are not of our stack, and one of them holds pandas below 3.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UnavailableError
from contracts.files import write_atomic

REQUIREMENTS = Path(__file__).with_name("peers.txt")
MARKER = "complete"


@dataclass(frozen=True, slots=True)
class PeersEnvironment:
    """A virtual environment under `root`, one per content of the requirements."""

    root: Path
    requirements: Path = REQUIREMENTS

    @property
    def digest(self) -> str:
        """SHA-256 of the requirements, which name every package with its hash."""
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where it lives."""
        return self.root / self.digest[:12]

    @property
    def python(self) -> Path:
        """Its interpreter, whether it is there or not."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def is_complete(self) -> bool:
        """Whether a whole installation has been finished here."""
        return (self.folder / MARKER).is_file() and self.python.exists()

    def ensure(self) -> None:
        """Make it unless it is complete; what an interruption left is made anew.

        Raises `UnavailableError` when it can not be made, with what the installer said last.
        """
        if self.is_complete:
            return
        try:
            venv.EnvBuilder(clear=True, with_pip=True).create(self.folder)
            self._install()
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnavailableError(
                f"expected to make the peers' environment in {self.folder} from {self.requirements.name}, "
                f"found: {_last_line(error)}; check the network and the package index, and try again"
            ) from error
        write_atomic(self.folder / MARKER, f"{self.digest}\n".encode())

    def _install(self) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Hashes decide what is accepted; a network that is not there should say so within the minute.
        options = ["--no-input", "--retries", "1", "--require-hashes", "-r", str(self.requirements)]
        subprocess.run([*pip, *options], check=True, capture_output=True, text=True)


def _last_line(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, OSError):
        return str(error)
    said = error.stderr or error.stdout or ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return errors[-1] if errors else f"exit code {error.returncode}"
