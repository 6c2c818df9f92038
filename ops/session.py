"""An embedded server and a worker of one's own, for a demo, a replay or a benchmark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded import EmbeddedServer, free_port
from ops.settings import Settings
from ops.worker_process import WorkerProcess


@dataclass(frozen=True, slots=True)
class Session:
    """A running server and a ready worker."""

    server: EmbeddedServer
    worker: WorkerProcess


@contextmanager
def fresh_session(folder: Path, settings: Settings, *, bundle: Path | None = None) -> Iterator[Session]:
    """Start an empty embedded server under `folder` and a worker on it; both end with the context.

    Serves `bundle`, or without one the registry's champion.

    Raises:
        EmbeddedServerError: the server does not start.
        WorkerProcessError: the worker does not become ready.
    """
    shutil.rmtree(folder / "server", ignore_errors=True)
    with EmbeddedServer(folder / "server") as server:
        tracking_uri = None if bundle else settings.registry_uri
        worker = WorkerProcess(
            settings.redis.standalone_url(server.url),
            free_port(),
            folder / "worker.log",
            bundle=bundle,
            tracking_uri=tracking_uri,
            env={
                "BANDS_REDIS__CLUSTER": "false",
                "BANDS_STREAM__PARTITIONS": "1",
                "BANDS_WORKER__PARTITION": "0",
            },
        )
        with worker:
            worker.wait_ready()
            yield Session(server, worker)
