"""How served bands did: coverage and loss per horizon, with honest intervals, beside HAR-RV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.events import Band
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES, LEVELS
from offline.baselines import HarRv
from offline.labels import forward_returns
from offline.metrics import (
    Estimate,
    bootstrap_mean,
    bootstrap_ratio,
    calibration_error,
    hits,
    pinball,
    winkler,
)


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """One horizon over all symbols. Ratios are to HAR-RV on the same bars, below 1 is better."""

    horizon_bars: int
    records: int
    bands: int
    resolved: int
    coverage_90: Estimate
    coverage_50: Estimate
    calibration_error: float
    pinball: Estimate
    pinball_to_har_rv: Estimate | None
    winkler_90_to_har_rv: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """The score as JSON types."""
        told: dict[str, Any] = {
            "horizon_bars": self.horizon_bars,
            "records": self.records,
            "bands": self.bands,
            "resolved": self.resolved,
            "calibration_error": self.calibration_error,
        }
        for name in ("coverage_90", "coverage_50", "pinball", "pinball_to_har_rv", "winkler_90_to_har_rv"):
            estimate: Estimate | None = getattr(self, name)
            told[name] = asdict(estimate) if estimate is not None else None
        return told


def score(records: Sequence[Band], histories: Sequence[History], trained_until: int) -> list[HorizonScore]:
    """Judge records against what happened.

    `histories` hold the bars before and after; HAR-RV is fitted once on labels that close by
    `trained_until` (epoch seconds), as the bundle was.

    Raises:
        ValueError: a record of a symbol without a history.
    """
    by_symbol = {history.symbol: history for history in histories}
    if unknown := {record.symbol for record in records} - set(by_symbol):
        raise ValueError(f"expected bars of every symbol with records, found none of {sorted(unknown)}")
    return [_score_horizon(horizon, records, by_symbol, trained_until) for horizon in HORIZONS]


def _score_horizon(
    horizon: int, records: Sequence[Band], by_symbol: dict[str, History], trained_until: int
) -> HorizonScore:
    mine = [record for record in records if record.horizon_bars == horizon]
    served = [record for record in mine if record.returns is not None]
    symbols = sorted({record.symbol for record in served})
    opened = [int(record.open_time.timestamp()) for record in served] or [0]
    times = np.arange(min(opened), max(opened) + BAR_SECONDS, BAR_SECONDS)
    shape = (len(times), len(symbols))
    panels = {name: np.full(shape, np.nan) for name in ("hit_90", "hit_50", "pinball", "winkler")}
    base = {name: np.full(shape, np.nan) for name in ("pinball", "winkler")}
    ys, qs = [], []
    for column, symbol in enumerate(symbols):
        history = by_symbol[symbol]
        rows = {int(r.open_time.timestamp()): r for r in served if r.symbol == symbol}
        at = np.searchsorted(history.open_time, np.array(sorted(rows)))
        where = np.searchsorted(times, history.open_time[at])
        y = forward_returns(history, horizon)[at]
        q = np.array([[getattr(rows[t].returns, name) for name in LEVEL_NAMES] for t in sorted(rows)])
        panels["hit_90"][where, column] = hits(y, q, 0.90)
        panels["hit_50"][where, column] = hits(y, q, 0.50)
        panels["pinball"][where, column] = pinball(y, q).mean(axis=1)
        panels["winkler"][where, column] = winkler(y, q, 0.90)
        har = _har_rv(history, horizon, trained_until)
        if har is not None:
            base["pinball"][where, column] = pinball(y, har[at]).mean(axis=1)
            base["winkler"][where, column] = winkler(y, har[at], 0.90)
        ys.append(y)
        qs.append(q)
    y, q = (np.concatenate(ys), np.concatenate(qs)) if ys else (np.empty(0), np.empty((0, len(LEVELS))))
    known = np.isfinite(y)
    return HorizonScore(
        horizon,
        len(mine),
        len(served),
        int(known.sum()),
        _mean(panels["hit_90"], horizon),
        _mean(panels["hit_50"], horizon),
        calibration_error(y[known], q[known]) if known.any() else float("nan"),
        _mean(panels["pinball"], horizon),
        _ratio(panels["pinball"], base["pinball"], horizon),
        _ratio(panels["winkler"], base["winkler"], horizon),
    )


def _har_rv(history: History, horizon: int, until: int) -> NDArray[np.float64] | None:
    try:
        return HarRv().fit(history, horizon, until).quantiles(history)
    except ValueError:  # too few labels to fit it on
        return None


def _mean(panel: NDArray[np.float64], horizon: int) -> Estimate:
    if not np.isfinite(panel).any():
        return Estimate(float("nan"), None, None, 0.9, 0, 0, "no band has resolved")
    return bootstrap_mean(panel, horizon)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64], horizon: int) -> Estimate | None:
    both = np.isfinite(top) & np.isfinite(bottom)
    if not both.any():
        return None
    return bootstrap_ratio(np.where(both, top, np.nan), np.where(both, bottom, np.nan), horizon)
