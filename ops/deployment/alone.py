"""One deployment at a time in a workspace, whoever starts it and however it ends."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ops.deployment.errors import DeploymentBusyError
from ops.deployment.record import deployments_path
from ops.settings import Settings

ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the lock, which the kernel releases with the process.

    Raises:
        DeploymentBusyError: another process holds it.
    """
    folder = deployments_path(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise DeploymentBusyError(
                f"expected no other deployment in {folder}, found one under way (process "
                f"{handle.read().strip()}); wait for its end, or interrupt it: it goes back by itself"
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP as a Ctrl-C, so that a deployment goes back on either."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Going back is not interrupted: a second Ctrl-C would leave it half done."""
    numbers = (signal.SIGINT, *ENDS)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
