"""Everything a worker process is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from contracts.topics import Topics
from worker.commit import Retention
from worker.partition import Limits
from worker.registry import RegistrySettings
from worker.tracing import Tracing


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """One worker's settings. Give `bundle`, a folder, or `registry`; intervals carry their unit.

    With `cluster` the URL is that of any node of a Redis or Valkey Cluster. `challenger` is the folder of a
    bundle that shadows the one in `bundle`, or serves `share` of the symbols.
    """

    redis_url: str
    cluster: bool = False
    bundle: Path | None = None
    challenger: Path | None = None
    share: float = 0.0
    registry: RegistrySettings | None = None
    trusted_keys: tuple[Path, ...] = ()
    """Public keys, files or folders: with any, one of them must have signed the folders."""
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
    tracing: Tracing | None = None
    """Where traces go; None is nowhere, and nothing of OpenTelemetry is loaded."""

    def __post_init__(self) -> None:
        if (self.bundle is None) == (self.registry is None):
            raise ValueError("expected either a bundle folder or a registry, found both or neither")
        if self.challenger is not None and self.bundle is None:
            raise ValueError("expected a challenger folder beside a bundle folder, found a registry")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"expected a share of symbols in [0, 1], found {self.share}")
