"""What every view reads from: the cache, the threads that fill it, and the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.connect import connect_sync
from contracts.errors import UnavailableError
from ops.dashboard.banner import Situation
from ops.dashboard.cache import Cache
from ops.dashboard.duel import Judge
from ops.dashboard.history import Archive
from ops.dashboard.probes import Probes
from ops.dashboard.reader import Reader
from ops.embedded.running import running_url
from ops.settings import Settings


@dataclass(slots=True)
class Desk:
    """Everything behind the page. `start` it once, `stop` it at the end."""

    settings: Settings
    cache: Cache
    reader: Reader
    probes: Probes
    archive: Archive
    judge: Judge

    def start(self) -> None:
        """Start the threads."""
        for thread in (self.reader, self.probes, self.archive, self.judge):
            thread.start()

    def stop(self) -> None:
        """End the threads."""
        for thread in (self.reader, self.probes, self.archive, self.judge):
            thread.stop()

    def situation(self) -> Situation:
        """How things stand now."""
        state = self.reader.state
        return Situation(
            time.time(),
            state.problem,
            state.since,
            state.loading,
            self.cache.newest_close(),
            self.cache.is_replayed(),
            self.settings.dashboard.grace_s,
            self.probes.probes(),
        )


def make_desk(settings: Settings) -> Desk:
    """A desk for the settings; nothing is read before it is started."""
    own = settings.dashboard
    cache = Cache(own.history_days)
    partitions = settings.stream.partitions
    connect = connector(settings)

    def changed() -> None:
        cache.version += 1

    several = len(own.workers) > 1
    targets = [(f"worker {n}" if several else "worker", url) for n, url in enumerate(own.workers)]
    targets += [(name, url) for name, url in (("retrainer", own.retrainer), ("feed", own.feed)) if url]
    return Desk(
        settings,
        cache,
        Reader(cache, connect, partitions, own.poll_s),
        Probes(targets, changed),
        Archive(cache, settings.workspace_path),
        Judge(cache, connect, settings.workspace_path, partitions, settings.release.alpha),
    )


def connector(settings: Settings) -> Callable[[], Any]:
    """A function that gives a fresh client of the configured server, or of the embedded one if it runs."""

    def connect() -> Any:
        url = settings.redis.effective_url or running_url(settings.server_path)
        if url is None:
            raise UnavailableError(
                "no embedded server runs in the workspace; `bands worker` or `bands server` starts one"
            )
        return connect_sync(
            url, cluster=settings.redis.cluster, socket_timeout=settings.redis.socket_timeout_s
        )

    return connect
