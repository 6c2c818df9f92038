"""A closed 4-hour bar, as feeds write it to `bars.4h`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from contracts.events.base import Event, Symbol, UtcTime
from contracts.model.candle import Candle, violation

Origin = Literal["live", "replay", "backfill"]


class Bar(Event):
    """One closed bar of one symbol.

    Prices are in quote currency, volume in base asset; `open_time` lies on 00, 04, 08, 12, 16 or 20 UTC.
    `origin` says how the bar came: records copy it, and a back-filled bar is folded but never answered
    with a band. `role` is `context` for a leader's copy sent to another partition.

    >>> bar = Bar(symbol="BTCUSDT", open_time="2024-01-01T00:00:00Z",
    ...           open=42283.58, high=42554.57, low=42261.02, close=42475.23, volume=1271.68)
    >>> Bar.from_wire(bar.to_wire()) == bar
    True
    """

    schema_: Literal["bar/1"] = Field(default="bar/1", alias="schema")
    symbol: Symbol
    open_time: UtcTime
    open: float
    high: float
    low: float
    close: float
    volume: float
    origin: Origin = "live"
    role: Literal["context"] | None = None

    _candle: Candle = PrivateAttr()

    @model_validator(mode="after")
    def _is_a_bar(self) -> Self:
        if self.open_time.microsecond:
            raise ValueError(f"expected open_time on the 4-hour grid, found {self.open_time.isoformat()}")
        candle = Candle(
            int(self.open_time.timestamp()), self.open, self.high, self.low, self.close, self.volume
        )
        if problem := violation(candle):
            raise ValueError(problem)
        self._candle = candle
        return self

    @property
    def candle(self) -> Candle:
        """The bar as plain numbers, time in epoch seconds."""
        return self._candle
