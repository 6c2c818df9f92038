"""Ports handed out a moment ago, by whichever process of this user: nobody else is to get them.

Between picking a port and listening on it a server starts, which takes seconds: two launchers that pick the
same one in the meantime would meet, and the first one's health page would answer for the second.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from pathlib import Path

from contracts.files import locked

KEPT_S = 300.0
"""Longer than any start takes."""


def promise(port: int) -> bool:
    """Whether `port` was nobody's until now. Without a folder to remember it in, it is."""
    with contextlib.suppress(OSError):
        folder = _folder()
        with locked(folder / "ports.lock"):
            file, now = folder / "ports.json", time.time()
            known = {at: since for at, since in _read(file).items() if now - KEPT_S < since <= now}
            if str(port) in known:
                return False
            file.write_text(json.dumps({**known, str(port): now}))
    return True


def _folder() -> Path:
    """A folder of our own below the one for temporary files.

    Raises:
        OSError: it can not be made, or is not ours.
    """
    folder = Path(tempfile.gettempdir()) / f"quant-bands-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"expected a folder of our own, found {folder} to be open to others")
    return folder


def _read(file: Path) -> dict[str, float]:
    try:
        known = json.loads(file.read_bytes())
        return {str(port): float(since) for port, since in known.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
