"""The record a bar gets for one horizon: a band, or why there is none."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TypedDict

from contracts.events import Band, Bar, Calibration, NoBandReason, Origin, Quantiles
from contracts.model.grid import BAR_SECONDS, close_time
from contracts.model.predictor import Prediction

UNCALIBRATED = "the calibrator had too few scores for a finite band at this level"
OUT_OF_RANGE = "the bar's prices are so extreme that a price of the band exceeds every number"


def band(bar: Bar, label: str, prediction: Prediction, degraded: tuple[str, ...]) -> Band:
    """The prediction as a band of the bundle `label`, or `uncalibrated` where it can not be told as one."""
    if problem := _not_finite(prediction, bar.close):
        return no_band(bar, prediction.horizon_bars, label, "uncalibrated", problem)
    q_hat = prediction.q_hat
    return Band(
        status="band",
        **_heading(bar, prediction.horizon_bars),
        bundle=label,
        returns=Quantiles(**prediction.returns),
        prices=Quantiles(**prediction.prices(bar.close)),
        sigma=prediction.sigma,
        calibration=Calibration(method=prediction.method, q_hat_90=q_hat[0.90], q_hat_50=q_hat[0.50]),
        degraded=degraded or None,
    )


def no_band(bar: Bar, horizon: int, label: str | None, reason: NoBandReason, detail: str) -> Band:
    """The record that says why there is no band."""
    return Band(status="no_band", **_heading(bar, horizon), bundle=label, reason=reason, detail=detail)


def _not_finite(prediction: Prediction, ref_price: float) -> str | None:
    """Why the prediction can not be told as a band, or None when it can."""
    if not prediction.is_finite:
        return UNCALIBRATED
    try:
        finite = all(map(math.isfinite, prediction.prices(ref_price).values()))
    except OverflowError:
        finite = False
    return None if finite else OUT_OF_RANGE


class _Heading(TypedDict):
    symbol: str
    horizon_bars: int
    open_time: datetime
    issued_at: datetime
    target_time: datetime
    ref_price: float
    origin: Origin


def _heading(bar: Bar, horizon: int) -> _Heading:
    issued = close_time(bar.candle.open_time)
    return {
        "symbol": bar.symbol,
        "horizon_bars": horizon,
        "open_time": bar.open_time,
        "issued_at": datetime.fromtimestamp(issued, UTC),
        "target_time": datetime.fromtimestamp(issued + horizon * BAR_SECONDS, UTC),
        "ref_price": bar.close,
        "origin": bar.origin,
    }
