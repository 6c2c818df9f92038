"""The guard: a tiny process between a launcher and its server, so that a server never outlives its users.

`python -I -S guard.py FOLDER OWNER_PID COMMAND...` starts COMMAND inside FOLDER and waits for one of:

- the launcher is gone (its end of the pipe on stdin is closed, by kill -9 too, or its pid is no longer
  the parent) *and* nobody else holds `users.lock`: the server is stopped by SIGTERM, then SIGKILL;
- the guard itself is asked to end by SIGTERM: the same;
- the server has ended by itself: its exit code becomes the guard's.

If the guard is killed, Linux stops the server at once; elsewhere the next launcher finds and ends it.
Standard library only: it is run by path, without site-packages, and stays below 10 MB.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

STOP_GRACE_S = 5.0
ALONE_WAIT_S = 2.0
LOCK_POLL_S = 0.2
OWNER_POLL_S = 1.0
ALREADY_GUARDED = 3
_PR_SET_PDEATHSIG = 1


def _locked(path: str) -> bool:
    """Take an exclusive lock, kept until this process ends; False when somebody else holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    return True


def _alone(folder: str) -> bool:
    """Become the folder's one guard. Launchers test the lock for an instant, hence the patience."""
    deadline = time.monotonic() + ALONE_WAIT_S
    while not _locked(f"{folder}/guard.lock"):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _start(folder: str, command: list[str]) -> subprocess.Popen[bytes]:
    guard = os.getpid()
    # Loaded before the fork: a child between fork and exec should allocate as little as it can.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def bind_to_guard() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != guard:
                os._exit(1)

    return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, preexec_fn=bind_to_guard)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main(arguments: list[str]) -> int:
    """Guard one server until it ends or is no longer wanted; returns the exit code."""
    folder, owner, *command = arguments
    if not _alone(folder):
        return ALREADY_GUARDED
    asked_to_end = False

    def on_term(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)

    server = _start(folder, command)
    owned = True
    while server.poll() is None:
        sources = [woken, 0] if owned else [woken]
        ready, _, _ = select.select(sources, [], [], OWNER_POLL_S if owned else LOCK_POLL_S)
        if woken in ready:
            os.read(woken, 512)
        # The parent's pid is asked too: a child forked by the launcher may keep the pipe open.
        if owned and ((0 in ready and not os.read(0, 512)) or os.getppid() != int(owner)):
            owned = False
        # The lock is kept until exit: a new launcher waits for it and then finds the server gone.
        if asked_to_end or (not owned and _locked(f"{folder}/users.lock")):
            _stop(server)
            return 0
    return abs(int(server.returncode))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
