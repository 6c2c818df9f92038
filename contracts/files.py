"""Files that are at any moment the old bytes or the new, never a mixture, whoever writes them."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_atomic(file: Path, data: bytes) -> None:
    """Write `data` to `file` by way of a temporary file in the same folder; survives a power cut.

    Raises:
        OSError: the folder is missing or full; `file` is then as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fsync(handle.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


def write_json(file: Path, told: Any, *, sort_keys: bool = False) -> None:
    """Write `told` as JSON for people and machines, as `write_atomic` does.

    Raises:
        ValueError: a number that JSON has no text for; nothing is written.
        OSError: the folder is missing or full; `file` is then as it was.
    """
    text = json.dumps(told, indent=2, sort_keys=sort_keys, allow_nan=False)
    write_atomic(file, (text + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Wait for, and hold, the lock of the file `lock`; the kernel releases it with the process."""
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
