"""Start one server under its guard and wait until it answers."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ops.embedded.command import Fsync, server_command
from ops.embedded.errors import EmbeddedServerError
from ops.embedded.guard import ALREADY_GUARDED
from ops.embedded.identity import pid_behind
from ops.embedded.ports import free_port, is_free
from ops.embedded.record import ServerRecord, read_record

LOG = "server.log"
_GUARD = Path(__file__).with_name("guard.py")
_LOG_KEPT_BYTES = 1_000_000
_LOG_TAIL_LINES = 12
_POLL_S = 0.01
_GUARD_STOP_S = 10.0  # the guard's own grace for the server is 5 s

Guard = subprocess.Popen[bytes]


class PortLostError(EmbeddedServerError):
    """The port was free when it was chosen and taken when the server asked for it."""


@dataclass(frozen=True)
class Launch:
    """How to start the server of one folder; see `EmbeddedServer` for the meaning of each field."""

    folder: Path
    binary: Path
    appendfsync: Fsync
    timeout_s: float
    extra: Mapping[str, str] = field(default_factory=dict)

    def start(self, port: int | None) -> tuple[ServerRecord, Guard]:
        """Start on `port`, or on the folder's last port if it is free, or on any free one.

        Raises:
            EmbeddedServerError: the port is taken, or the server ends or stays silent.
        """
        if port is not None:
            if not is_free(port):
                raise EmbeddedServerError(_taken(port, self.folder))
            return self._start_on(port)
        last = read_record(self.folder)
        first = last.port if last is not None and is_free(last.port) else free_port()
        for choice in chain((first,), (free_port() for _ in range(2))):
            with contextlib.suppress(PortLostError):
                return self._start_on(choice)
        return self._start_on(free_port())

    def _start_on(self, port: int) -> tuple[ServerRecord, Guard]:
        token = secrets.token_hex(16)
        log = self.folder / LOG
        if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        command = server_command(self.binary, port, token, self.appendfsync, self.extra)
        with log.open("ab") as output:
            logged = output.tell()
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(self.folder), str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl+C goes to the terminal's foreground group: the server must outlive the clean-up.
                start_new_session=True,
            )
        try:
            pid = self._wait_ready(guard, port, token, log, logged)
            record = ServerRecord(pid=pid, port=port, token=token)
            record.write(self.folder)
        except BaseException:
            dismiss(guard)
            raise
        return record, guard

    def _wait_ready(self, guard: Guard, port: int, token: str, log: Path, logged: int) -> int:
        deadline = time.monotonic() + self.timeout_s
        while (pid := pid_behind(port, token)) is None:
            code = guard.poll()
            if code is not None or time.monotonic() >= deadline:
                raise self._failure(code, port, log, logged)
            time.sleep(_POLL_S)
        return pid

    def _failure(self, code: int | None, port: int, log: Path, logged: int) -> EmbeddedServerError:
        tail = log.read_bytes()[logged:].decode(errors="replace").strip()
        if "Address already in use" in tail:
            return PortLostError(_taken(port, self.folder))
        if code is None:
            found = f"none that answers after {self.timeout_s:.0f} s"
        elif code == ALREADY_GUARDED:
            found = "another guard on the folder"
        else:
            found = f"that it ended at once with code {code}"
        lines = "\n".join(tail.splitlines()[-_LOG_TAIL_LINES:])
        return EmbeddedServerError(
            f"Expected a server in {self.folder}, found {found}. Correct what its log ({log}) names:\n{lines}"
        )


def dismiss(guard: Guard) -> None:
    """Have the guard stop its server, whoever else uses it, and wait until both are gone."""
    with contextlib.suppress(ProcessLookupError):
        guard.terminate()
    leave(guard)
    with contextlib.suppress(subprocess.TimeoutExpired):
        guard.wait(_GUARD_STOP_S)


def leave(guard: Guard) -> None:
    """Close our end of the guard's pipe: it stops the server as soon as nobody else uses it."""
    if guard.stdin is not None:
        guard.stdin.close()


def _taken(port: int, folder: Path) -> str:
    return (
        f"Expected port {port} on 127.0.0.1 to be free for the server in {folder}, found it taken: "
        "name another port, or none to let one be chosen."
    )
