"""Real servers for the whole suite: the embedded Valkey, and Debian's Redis 7 where it is installed.

Each lives in a temporary folder of its own on a free port, so that parallel test processes never meet, and
ends with the process that started it, killed or not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

from redis import Redis

from ops.embedded import EmbeddedServer
from ops.embedded.command import Fsync

Kind = Literal["valkey", "redis7"]
KINDS: tuple[Kind, ...] = ("valkey", "redis7")


@cache
def missing(kind: Kind) -> str | None:
    """Why servers of this kind can not be started here, or None."""
    if kind == "valkey":
        return None
    if any(shutil.which(name) is None for name in ("redis-server", "redis-check-aof")):
        return "redis-server (7.0 or newer) is not on PATH"
    told = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)", told)
    if found is None or int(found[1]) < 7:
        return f"expected redis-server 7.0 or newer on PATH, found {told.strip()}"
    return None


class ServerProcess:
    """A server to be crashed: AOF on, same port and folder over its whole life.

    Only `always` loses nothing that was acknowledged: while the disk is busy `everysec` holds writes back.

    >>> import tempfile
    >>> server = ServerProcess("valkey", Path(tempfile.mkdtemp()), appendfsync="always")
    >>> server.start()
    >>> server.client().set("kept", 1)
    True
    >>> server.kill9()
    >>> server.start()
    >>> server.client().get("kept")
    b'1'
    >>> server.stop()
    """

    def __init__(
        self, kind: Kind, folder: Path, port: int | None = None, appendfsync: Fsync = "everysec"
    ) -> None:
        self.kind = kind
        binary = shutil.which("redis-server") if kind == "redis7" else None
        self._server = EmbeddedServer(
            folder, port, appendfsync=appendfsync, binary=Path(binary) if binary else None
        )
        self._crashed = False

    @property
    def url(self) -> str:
        """The server's URL, valid through crashes; raises before the first start."""
        return self._server.url

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._server.pid

    def start(self) -> None:
        """Start it, or bring it back after `kill9` on the same port with its AOF replayed."""
        if self._crashed:
            if self.kind == "redis7":
                _drop_torn_transaction(self._server.folder)
            self._server.restart()
            self._crashed = False
        else:
            self._server.start()

    def kill9(self) -> None:
        """SIGKILL the server and return once it is gone."""
        self._crashed = True
        self._server.kill()

    def stop(self) -> None:
        """Stop it for good."""
        self._server.close()

    def client(self) -> Redis:
        """A fresh synchronous client."""
        return Redis.from_url(self.url)

    def clean(self) -> None:
        """An empty server without clients, groups or scripts, whatever the test before did to it."""
        with self.client() as client:
            client.flushall()
            client.script_flush()
            client.client_kill_filter(_type="normal", skipme=True)


def _drop_torn_transaction(folder: Path) -> None:
    """Cut the log where an unfinished transaction begins, as Valkey does by itself.

    A kill in the middle of a write leaves one. Redis 7.0 would cut only its last command, and at the start
    after next run the beginning together with whatever follows: records twice, and the first one trimmed.
    """
    for manifest in folder.glob("appendonlydir/*.manifest"):
        subprocess.run(
            ["redis-check-aof", "--fix", str(manifest)], input=b"y\n", check=True, capture_output=True
        )
