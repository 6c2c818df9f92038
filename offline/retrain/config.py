"""Everything a retrainer process is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.topics import Topics


@dataclass(frozen=True, slots=True)
class RetrainerConfig:
    """One retrainer's settings; intervals carry their unit.

    `schedule_day` is the day of the month (1 to 28) a retraining is asked for, None for never. A run that
    was started `max_starts` times in a row without moving kills its process each time, and ends as failed.
    """

    redis_url: str
    workspace: Path
    cluster: bool = False
    partitions: int = 1
    cooldown_days: float = 7.0
    schedule_day: int | None = 1
    lease_ttl_ms: int = 30_000
    sweep_interval_s: float = 5.0
    archive_interval_s: float = 3_600.0
    block_ms: int = 1_000
    socket_timeout_s: float = 5.0
    retry_s: float = 30.0
    """Pause before a run goes on after the registry was away."""
    max_starts: int = 5
    status_maxlen: int = 50_000
    http_host: str = "127.0.0.1"
    http_port: int = 8_101

    def __post_init__(self) -> None:
        if self.schedule_day is not None and not 1 <= self.schedule_day <= 28:
            raise ValueError(
                f"expected a schedule day of 1 to 28, which every month has, found {self.schedule_day}"
            )

    @property
    def topics(self) -> tuple[Topics, ...]:
        """The names of every partition."""
        return tuple(Topics(partition, self.partitions) for partition in range(self.partitions))
