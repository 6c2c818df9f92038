"""Everything a feed process is told."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import BadInputError
from contracts.model.grid import BAR_SECONDS


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """One feed's settings; the fields are those of the section `feed`, see there. Times in the unit named."""

    exchange: str
    symbols: tuple[str, ...]
    leader: str | None = None
    base_url: str | None = None
    websocket: bool = True
    poll_s: float = 15.0
    settle_s: float = 2.0
    grace_s: float = 900.0
    backfill_days: float = 60.0
    timeout_s: float = 10.0
    lease_ttl_ms: int = 10_000
    http_host: str = "127.0.0.1"
    http_port: int = 8_102
    partitions: int = 1

    def __post_init__(self) -> None:
        if not self.symbols:
            raise BadInputError(
                "expected the markets to follow, found none: name them with --symbols BTC/USDT ETH/USDT or "
                "set feed.symbols"
            )
        if self.backfill_days * 86_400 < BAR_SECONDS:
            raise BadInputError(
                f"expected feed.backfill_days of at least one bar (0.17), found {self.backfill_days}"
            )
