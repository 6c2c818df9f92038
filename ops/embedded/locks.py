"""File locks that the kernel releases when their holder dies, however it dies.

Three of them guard a server's folder:

- `launch.lock`, exclusive: one launcher at a time decides whether to start or to reuse.
- `users.lock`, shared by every process that uses the server; whoever gets it exclusively is the last one,
  and the guard stops the server only then.
- `guard.lock`, exclusive: held by the guard as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType

POLL_S = 0.02


class FileLock:
    """One lock on one file; a second object on the same file is a second holder, in one process too.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.lock"
    >>> first, second = FileLock(path), FileLock(path)
    >>> first.acquire(shared=True), second.acquire(shared=True), second.acquire(shared=False)
    (True, True, False)
    >>> second.release()
    >>> first.acquire(shared=False)
    True
    """

    def __init__(self, path: Path) -> None:
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _open_locks.add(self)

    def acquire(self, *, shared: bool, timeout_s: float = 0.0) -> bool:
        """Take the lock, or change its kind; False when others keep it for `timeout_s` seconds.

        A change that fails gives the lock up: the kernel releases before it takes anew.

        Raises:
            ValueError: after `release`.
        """
        if self._fd is None:
            raise ValueError("Expected an open lock, found a released one: make a new FileLock.")
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(POLL_S)
            else:
                return True

    @property
    def released(self) -> bool:
        """True after `release`, and in a child forked since: the lock stays with the parent."""
        return self._fd is None

    def release(self) -> None:
        """Give the lock up for good; a second call does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    # A forked child shares the parent's open file: left open there, the lock would outlive a killed parent.
    for lock in list(_open_locks):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
