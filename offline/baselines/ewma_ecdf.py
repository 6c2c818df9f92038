"""Volatility-scaled empirical quantiles: two lines of code that are hard to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.scale import VARIANCE_FLOOR
from offline.baselines.base import empirical_quantiles, require_labels
from offline.baselines.calendar import segments
from offline.labels import forward_returns, label_close_times


@dataclass(frozen=True, slots=True)
class EwmaEcdf:
    """Empirical quantiles of past `return / scale`, times today's scale.

    The scale is the root mean of exponentially weighted averages of squared one-bar returns, each
    normalised by its own weights. It is defined on the bars on which the model's features are.

    >>> from offline.market import MarketSpec, simulate
    >>> history = simulate(MarketSpec(), ["BTC"], 2_000, start=0, seed=1).histories["BTC"]
    >>> fitted = EwmaEcdf().fit(history, horizon=42, until=int(history.open_time[-1]))
    >>> fitted.quantiles(history).shape
    (2000, 5)
    """

    half_lives_bars: tuple[int, ...] = (42, 180)

    @property
    def name(self) -> str:
        """What tables call it."""
        return "ewma-ecdf"

    def scale(self, history: History) -> NDArray[np.float64]:
        """One-bar volatility of every bar in log-return units, shape (n,), NaN while warming up."""
        answer = np.full(len(history), np.nan)
        for segment in segments(history):
            squares = pd.Series(segment.returns[1:] ** 2)
            averages = [squares.ewm(halflife=h).mean() for h in self.half_lives_bars]
            variance = np.full(len(segment.returns), np.nan)
            variance[1:] = np.mean(averages, axis=0)
            scale = np.sqrt(np.maximum(variance, VARIANCE_FLOOR))[segment.place]
            answer[segment.rows] = np.where(segment.warm, scale, np.nan)
        return answer

    def fit(self, history: History, horizon: int, until: int) -> FittedEwmaEcdf:
        """Learn from labels that close at or before `until`; raises as `Baseline.fit` says."""
        standardised = forward_returns(history, horizon) / self.scale(history)
        closed = np.isfinite(standardised) & (label_close_times(history, horizon) <= until)
        require_labels(self.name, history.symbol, int(closed.sum()))
        return FittedEwmaEcdf(self, horizon, tuple(empirical_quantiles(standardised[closed]).tolist()))


@dataclass(frozen=True, slots=True)
class FittedEwmaEcdf:
    """The scaled empirical quantiles of one symbol and horizon."""

    baseline: EwmaEcdf
    horizon: int
    standardised_quantiles: tuple[float, ...]
    """Quantiles of return over one-bar volatility at the five levels."""

    def quantiles(self, history: History) -> NDArray[np.float64]:
        """Log-return quantiles of every bar, shape (n, 5), NaN while warming up."""
        scale = self.baseline.scale(history)
        answer: NDArray[np.float64] = scale[:, None] * np.array(self.standardised_quantiles)
        return answer
