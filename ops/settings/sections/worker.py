"""Settings of the worker process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Host, Port, Seconds, Section


class WorkerSettings(Section):
    """The worker process."""

    partition: Annotated[int, Field(ge=0)] = 0
    """Which partition a worker serves, from 0, unless `--partition` names one."""
    lease_ttl_ms: Annotated[int, Field(ge=100)] = 10_000
    """How long a silent owner keeps its partition."""
    sweep_interval_s: Seconds = 5.0
    """How often the pending list is looked at."""
    http_host: Host = "127.0.0.1"
    http_port: Port = 8_100
