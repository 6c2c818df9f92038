"""One real Valkey server per folder, shared by whoever asks, gone with the last of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil

from ops.embedded.binary import server_binary
from ops.embedded.command import Fsync
from ops.embedded.errors import EmbeddedServerError
from ops.embedded.identity import end, pid_behind, process_of, wait_gone
from ops.embedded.launch import LOG, Guard, Launch, dismiss, leave
from ops.embedded.locks import FileLock
from ops.embedded.record import ServerRecord, read_record

_LOCK_WAIT_S = 30.0  # longer than a guard's SIGTERM grace and a start together
_POLL_S = 0.02


class EmbeddedServer:
    """A Valkey server on 127.0.0.1 whose data lives in a folder, persisted by AOF.

    **Sharing.** The first launcher on a folder starts the server; any other, in this process or another,
    attaches to it and gets the same URL. The server is stopped when the last of them has left, in whatever
    order and by whatever death: each holds a lock that the kernel releases.

    **No orphans.** A guard process notices the launcher's end (kill -9 included) and stops the server. A
    server left behind by a killed guard is recognised by a random token at the next start, ended, and
    started anew on the same port; a stranger that got its pid is never touched.

    **Crashes.** After a kill -9 of the server, `restart` (or a new launcher) replays the AOF. With
    `appendfsync="always"` nothing that was acknowledged is lost; with `everysec` a power cut may lose the
    last second, and a kill while the disk is busy the last two.

    Args:
        folder: made if missing; holds the AOF, `server.json`, `server.log` and the lock files.
        port: TCP port; None takes the folder's last port if it is free, else a free one.
        appendfsync: `always`, `everysec` (default) or `no`.
        binary: another Redis (7.0 or newer) or Valkey executable; None takes the one installed with us.
        start_timeout_s: seconds a start may take, AOF replay included.
        extra: further server options by name.

    Raises:
        EmbeddedServerError: from `start`, when the folder can not be written, the port is taken, the
            platform has no executable, or the server ends at once (its last log lines are in the message).

    >>> import tempfile
    >>> from redis import Redis
    >>> with EmbeddedServer(tempfile.mkdtemp()) as server:
    ...     Redis.from_url(server.url).incr("visits")
    1
    """

    def __init__(
        self,
        folder: str | Path,
        port: int | None = None,
        *,
        appendfsync: Fsync = "everysec",
        binary: Path | None = None,
        start_timeout_s: float = 30.0,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._port = port
        self._fsync: Fsync = appendfsync
        self._binary = binary
        self._timeout_s = start_timeout_s
        self._extra = dict(extra or {})
        self._record: ServerRecord | None = None
        self._guard: Guard | None = None
        self._users: FileLock | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT`; raises EmbeddedServerError before `start` and after `close`."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The TCP port; raises EmbeddedServerError before `start` and after `close`."""
        return self._current().port

    @property
    def pid(self) -> int:
        """The server's process id; raises EmbeddedServerError before `start` and after `close`."""
        return self._current().pid

    @property
    def owned(self) -> bool:
        """True when this launcher started the server, False when it attached to a running one."""
        return self._guard is not None

    def start(self) -> None:
        """Start the folder's server, or attach to the one that runs; does nothing when already started."""
        if self._record is not None:
            return
        self._prepare_folder()
        with self._launch_lock():
            users = FileLock(self.folder / "users.lock")
            try:
                self._join(users)
                self._record = self._attach()
                if self._record is None:
                    self._record, self._guard = self._launch().start(self._port)
            except BaseException:
                users.release()
                raise
            self._users = users

    def close(self) -> None:
        """Leave the server; the last to leave returns once it is stopped. A second call does nothing."""
        users, self._users, self._record = self._users, None, None
        guard, self._guard = self._guard, None
        if users is None or users.released:  # released: we are a forked child, and the server is our parent's
            return
        last = users.acquire(shared=False)
        users.release()
        if guard is not None:
            leave(guard)
        if last:
            self._await_guard_gone()
            if guard is not None:
                guard.wait()

    def restart(self) -> None:
        """Bring the server back on the same port and folder, AOF replayed; stops it first if it runs.

        Raises:
            EmbeddedServerError: before `start`, or when the server does not come back.
        """
        port = self._current().port
        with self._launch_lock():
            end(self._current())
            guard, self._guard = self._guard, None
            if guard is not None:
                dismiss(guard)
            self._await_guard_gone()
            self._record, self._guard = self._launch().start(port)

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash would, and wait until it is gone. For tests of crashes."""
        record = self._current()
        with contextlib.suppress(psutil.NoSuchProcess):
            if (process := process_of(record)) is not None:
                process.kill()
        if not wait_gone(record):
            raise EmbeddedServerError(
                f"Expected server {record.pid} to be gone after SIGKILL, found it running: end it by hand."
            )
        self._await_guard_gone()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _current(self) -> ServerRecord:
        if self._record is None:
            raise EmbeddedServerError(
                f"Expected the server in {self.folder} to be started, found that it is not: "
                "use `with EmbeddedServer(folder) as server:` or call start()."
            )
        # Another launcher may have restarted it since: the folder knows best.
        return read_record(self.folder) or self._record

    def _launch(self) -> Launch:
        return Launch(
            folder=self.folder,
            binary=self._binary or server_binary(),
            appendfsync=self._fsync,
            timeout_s=self._timeout_s,
            extra=self._extra,
        )

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            FileLock(self.folder / "launch.lock").release()
        except OSError as error:
            raise EmbeddedServerError(
                f"Expected a folder that can be written at {self.folder}, found: {error.strerror or error}. "
                "Choose another workspace or correct its permissions."
            ) from error

    def _launch_lock(self) -> FileLock:
        lock = FileLock(self.folder / "launch.lock")
        if not lock.acquire(shared=False, timeout_s=_LOCK_WAIT_S + self._timeout_s):
            lock.release()
            raise EmbeddedServerError(
                f"Expected the other launcher on {self.folder} to finish, found it still starting: "
                f"see {LOG} there and try again."
            )
        return lock

    def _join(self, users: FileLock) -> None:
        # Refused only while a guard is stopping the server: wait for that to be over.
        if not users.acquire(shared=True, timeout_s=_LOCK_WAIT_S):
            raise EmbeddedServerError(
                f"Expected the old server in {self.folder} to end, found it still stopping after "
                f"{_LOCK_WAIT_S:.0f} s: see {LOG} there and try again."
            )

    def _attach(self) -> ServerRecord | None:
        """The running server's record if a guard keeps it; whatever an absent guard left is ended."""
        deadline = time.monotonic() + self._timeout_s
        while self._guarded():
            record = read_record(self.folder)
            answers = record is not None and pid_behind(record.port, record.token) == record.pid
            # Asked again: a guard that has just been killed takes its server along in a moment.
            if record is not None and answers and self._guarded():
                if self._port not in (None, record.port):
                    raise EmbeddedServerError(
                        f"Expected the server in {self.folder} on port {self._port}, found another process "
                        f"running it on port {record.port}: drop the port or use another folder."
                    )
                return record
            if time.monotonic() >= deadline:
                raise EmbeddedServerError(
                    f"Expected the guarded server in {self.folder} to answer, found silence for "
                    f"{self._timeout_s:.0f} s: end the processes that use this folder and try again."
                )
            time.sleep(_POLL_S)  # a crashed server's guard needs a moment to leave
        if (left := read_record(self.folder)) is not None:
            end(left)
        return None

    def _guarded(self) -> bool:
        with FileLock(self.folder / "guard.lock") as lock:
            return not lock.acquire(shared=True)

    def _await_guard_gone(self) -> None:
        with FileLock(self.folder / "guard.lock") as lock:
            if not lock.acquire(shared=True, timeout_s=_LOCK_WAIT_S):
                raise EmbeddedServerError(
                    f"Expected the server in {self.folder} to stop, found its guard still there after "
                    f"{_LOCK_WAIT_S:.0f} s: see {LOG} there."
                )
