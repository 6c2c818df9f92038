"""What the worker says about one bar and one horizon: a calibrated band, or why there is none."""

from __future__ import annotations

import itertools
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.events.bar import Origin
from contracts.events.base import Event, Symbol, UtcTime

NoBandReason = Literal[
    "warming_up",
    "gap",
    "backfill",
    "unknown_symbol",
    "no_bundle",
    "no_context",
    "uncalibrated",
]


class Quantiles(BaseModel):
    """Five non-decreasing quantiles, of log returns or of prices."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    q05: float
    q25: float
    q50: float
    q75: float
    q95: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        values = (self.q05, self.q25, self.q50, self.q75, self.q95)
        if any(a > b for a, b in itertools.pairwise(values)):
            raise ValueError(f"expected non-decreasing quantiles, found {values}")
        return self


class Calibration(BaseModel):
    """The conformal correction inside a band, in units of the volatility over the horizon."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    method: str
    q_hat_90: float
    q_hat_50: float


class Band(Event):
    """One record per accepted bar and horizon on `bands.T42` … `bands.T60`.

    With `status` "band": `returns` are quantiles of log(close at `target_time` / `ref_price`), `prices`
    the same in quote currency, `sigma` the one-bar volatility they were scaled by. With `status`
    "no_band": `reason` says why and `detail` says it in words. `degraded` lists what makes a band less
    certain: bridged bars in its shortest window, or a market leader whose last bar is missing.

    >>> record = Band.from_wire(b'''{"schema": "band/1", "status": "no_band", "reason": "warming_up",
    ...     "symbol": "BTCUSDT", "horizon_bars": 42, "open_time": "2024-01-01T00:00:00Z",
    ...     "issued_at": "2024-01-01T04:00:00Z", "target_time": "2024-01-08T04:00:00Z",
    ...     "ref_price": 42475.23, "origin": "live"}''')
    >>> record.is_band, record.reason
    (False, 'warming_up')
    """

    schema_: Literal["band/1"] = Field(default="band/1", alias="schema")
    status: Literal["band", "no_band"]
    symbol: Symbol
    horizon_bars: int = Field(gt=0)
    open_time: UtcTime
    issued_at: UtcTime
    target_time: UtcTime
    ref_price: float = Field(gt=0)
    origin: Origin
    bundle: str | None = None
    returns: Quantiles | None = None
    prices: Quantiles | None = None
    sigma: float | None = None
    calibration: Calibration | None = None
    degraded: tuple[str, ...] | None = None
    reason: NoBandReason | None = None
    detail: str | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.status == "band":
            absent = [
                n for n in ("bundle", "returns", "prices", "sigma", "calibration") if getattr(self, n) is None
            ]
            if absent or self.reason is not None:
                raise ValueError(
                    f"expected a complete band and no reason, found absent {absent}, {self.reason=}"
                )
        elif self.reason is None or self.returns is not None or self.prices is not None:
            raise ValueError(f"expected a reason and no quantiles with status no_band, found {self.reason=}")
        return self

    @property
    def is_band(self) -> bool:
        """True when the record carries quantiles, False when it says why not."""
        return self.status == "band"
