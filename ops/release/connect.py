"""The server that holds the streams, for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from contracts.connect import connect_sync
from ops.embedded import EmbeddedServer
from ops.settings import Settings


@contextmanager
def streams(settings: Settings) -> Iterator[Any]:
    """A client of the configured server, or of the workspace's embedded one, started if nobody runs it.

    Raises:
        EmbeddedServerError: the embedded server does not start.
    """
    with ExitStack() as stack:
        url = settings.redis.effective_url or stack.enter_context(EmbeddedServer(settings.server_path)).url
        own = settings.redis
        yield stack.enter_context(connect_sync(url, cluster=own.cluster, socket_timeout=own.socket_timeout_s))
