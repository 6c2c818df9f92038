"""Finding a folder's server without starting one."""

from __future__ import annotations

from pathlib import Path

from ops.embedded.identity import pid_behind
from ops.embedded.record import read_record


def running_url(folder: Path) -> str | None:
    """The URL of the server that runs on `folder` now, or None.

    >>> import tempfile
    >>> running_url(Path(tempfile.mkdtemp())) is None
    True
    """
    record = read_record(folder)
    if record is None or pid_behind(record.port, record.token) is None:
        return None
    return f"redis://127.0.0.1:{record.port}"
