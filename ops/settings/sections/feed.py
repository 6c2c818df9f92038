"""Settings of the live feed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Host, Names, Port, Seconds, Section


class FeedSettings(Section):
    """The live feed."""

    exchange: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "binance"
    """Any exchange that ccxt knows and that has 4-hour candles, by its name there."""
    symbols: Names = ()
    """The exchange's markets: `BTC/USDT`, or `NAME=BTC/USDT` to name its bars NAME instead of BTCUSDT."""
    leader: str | None = None
    """The symbol whose bars every partition gets as market context; needed with several partitions."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$", repr=False)
    """Ask here instead of at the exchange's own addresses: a proxy, or `bands mock-exchange`."""
    websocket: bool = True
    """Be told of a close by websocket where the exchange offers it; REST stays the truth."""
    poll_s: Seconds = 15.0
    """Longest sleep between two looks at the exchange."""
    settle_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    """How long after its close, by the exchange's clock, a candle is believed to be final."""
    grace_s: Seconds = 900.0
    """How long a candle may be late, by the exchange's clock, before it counts as missing."""
    backfill_days: Seconds = 60.0
    """How far back the first start of a symbol goes: the 360 bars a worker still compares with what it knows,
    and enough to warm up. Later starts go on from the last bar sent."""
    timeout_s: Seconds = 10.0
    """How long one answer of the exchange may take."""
    lease_ttl_ms: Annotated[int, Field(ge=100)] = 10_000
    """How long a silent feed keeps its place."""
    http_host: Host = "127.0.0.1"
    http_port: Port = 8_102
