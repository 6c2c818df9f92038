"""Everything a worker process is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from contracts.topics import Topics
from worker.champion import RegistrySettings
from worker.commit import Retention
from worker.partition import Limits


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """One worker's settings. Give `bundle`, a folder, or `registry`; intervals carry their unit."""

    redis_url: str
    bundle: Path | None = None
    registry: RegistrySettings | None = None
    topics: Topics = field(default_factory=Topics)
    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    lease_ttl_ms: int = 10_000
    sweep_interval_s: float = 5.0
    block_ms: int = 1_000
    socket_timeout_s: float = 5.0
    registry_retry_s: float = 10.0
    http_host: str = "127.0.0.1"
    http_port: int = 8100

    def __post_init__(self) -> None:
        if (self.bundle is None) == (self.registry is None):
            raise ValueError("expected either a bundle folder or a registry, found both or neither")
