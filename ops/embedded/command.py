"""The server's command line: every option the embedded server is started with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Fsync = Literal["always", "everysec", "no"]


def server_command(
    binary: Path, port: int, token: str, appendfsync: Fsync, extra: Mapping[str, str] | None = None
) -> list[str]:
    """Arguments that start a server in the current folder, on loopback, persisting by AOF alone.

    The folder is never named: the server runs inside it, so that no path needs quoting.

    Args:
        binary: a Valkey or Redis (7.0 or newer) executable.
        port: TCP port on 127.0.0.1.
        token: put into the process title, which is how the server is recognised later.
        appendfsync: when the log reaches the disk; `everysec` may lose the last second to a power cut,
            and up to two to a kill while the disk is busy.
        extra: further server options by name, which win over those given here.

    >>> server_command(Path("valkey-server"), 7001, "t", "always", {"maxmemory": "1gb"})[-2:]
    ['--maxmemory', '1gb']
    """
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "dir": ".",
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": "",
        "daemonize": "no",
        "logfile": "",  # to stdout, which is the folder's server.log: early failures land there too
        "proc-title-template": f"{{title}} {{listen-addr}} {token}",
        **(extra or {}),
    }
    return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
