"""Run the embedded server in the foreground, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from ops.console import out, told_errors
from ops.embedded import EmbeddedServer
from ops.settings import Settings

EXAMPLE = "Example: bands server --folder var/demo/server"


def run(
    folder: Annotated[
        Path | None, typer.Option(help="The server's data; default: server/ in the workspace.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port on 127.0.0.1; default: the folder's last.")
    ] = None,
) -> None:
    """For looking at what a demo left behind, or for a feed, a worker and redis-cli side by side."""
    with told_errors(), EmbeddedServer(folder or Settings().server_path, port) as server:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        out.print(f"[bold]{server.url}[/]  Ctrl-C stops it", highlight=False)
        out.print(f"look: redis-cli -p {server.port} XREVRANGE bands.T42 + - COUNT 1", highlight=False)
        stop.wait()
