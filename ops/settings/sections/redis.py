"""Settings of the server that holds the streams."""

from __future__ import annotations

from pydantic import Field

from ops.settings.sections.base import RedisUrl, Seconds, Section


class RedisSettings(Section):
    """The server that holds the streams."""

    url: RedisUrl | None = Field(default=None, repr=False)
    """`redis://`, `rediss://` (TLS) or `unix://`, with its credentials; None is the embedded server."""
    socket_timeout_s: Seconds = 5.0
    """How long one answer may take; longer than `stream.block_ms`, which waits inside an answer."""
    cluster: bool = False
    """Whether `url` names a node of a Redis or Valkey Cluster."""
