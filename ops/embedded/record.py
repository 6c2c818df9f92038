"""`server.json`: what the next launcher must know about the server that was started here."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "server.json"


@dataclass(frozen=True)
class ServerRecord:
    """Where the folder's server listens and how to tell it from a stranger with the same pid or port."""

    pid: int
    port: int
    token: str

    def write(self, folder: Path) -> None:
        """Replace the folder's record in one step, so that a reader never sees half of it."""
        draft = folder / f"{NAME}.{os.getpid()}.tmp"
        draft.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        draft.replace(folder / NAME)


def read_record(folder: Path) -> ServerRecord | None:
    """The folder's record, or None when there is none or it is not readable as one.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> read_record(folder) is None
    True
    >>> ServerRecord(pid=7, port=20001, token="t").write(folder)
    >>> read_record(folder)
    ServerRecord(pid=7, port=20001, token='t')
    """
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return ServerRecord(pid=int(found["pid"]), port=int(found["port"]), token=str(found["token"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # a crash may leave anything; the launcher then starts afresh
