"""HAR-RV: volatility forecast by regression on its own past at three horizons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.scale import VARIANCE_FLOOR
from offline.baselines.base import empirical_quantiles, require_labels
from offline.baselines.calendar import segments
from offline.labels import forward_returns, label_close_times


@dataclass(frozen=True, slots=True)
class HarRv:
    """Heterogeneous autoregression of log realised volatility, with empirical standardised quantiles.

    Ordinary least squares of log realised volatility over the next T bars on that of the last 6, 42 and
    180 bars; quantiles of past `return / forecast`, times today's forecast. After Corsi (2009), "A
    simple approximate long-memory model of realized volatility", J. Financial Econometrics 7(2), whose
    day, week and month these windows are.

    >>> from offline.market import MarketSpec, simulate
    >>> history = simulate(MarketSpec(), ["BTC"], 2_000, start=0, seed=1).histories["BTC"]
    >>> fitted = HarRv().fit(history, horizon=42, until=int(history.open_time[-1]))
    >>> len(fitted.coefficients), fitted.quantiles(history).shape
    (4, (2000, 5))
    """

    windows_bars: tuple[int, ...] = (6, 42, 180)

    @property
    def name(self) -> str:
        """What tables call it."""
        return "har-rv"

    def regressors(self, history: History) -> NDArray[np.float64]:
        """One, and log realised volatility of each window; shape (n, 1 + windows), NaN rows in warm-up."""
        answer = np.ones((len(history), 1 + len(self.windows_bars)))
        warming = np.zeros(len(history), dtype=bool)
        for segment in segments(history):
            for column, bars in enumerate(self.windows_bars, start=1):
                variance = segment.trailing_variance(bars)[segment.place]
                answer[segment.rows, column] = 0.5 * np.log(np.maximum(variance, VARIANCE_FLOOR))
                warming[segment.rows] |= np.isnan(variance) | ~segment.warm
        answer[warming] = np.nan
        return answer

    def fit(self, history: History, horizon: int, until: int) -> FittedHarRv:
        """Learn from labels that close at or before `until`; raises as `Baseline.fit` says."""
        features = self.regressors(history)
        ahead = _log_volatility_ahead(history, horizon)
        returns = forward_returns(history, horizon)
        closed = np.isfinite(features[:, 1]) & np.isfinite(ahead) & np.isfinite(returns)
        closed &= label_close_times(history, horizon) <= until
        require_labels(self.name, history.symbol, int(closed.sum()))
        coefficients = np.linalg.lstsq(features[closed], ahead[closed], rcond=None)[0]
        standardised = returns[closed] / np.exp(features[closed] @ coefficients)
        return FittedHarRv(
            self, horizon, tuple(coefficients.tolist()), tuple(empirical_quantiles(standardised).tolist())
        )


@dataclass(frozen=True, slots=True)
class FittedHarRv:
    """The regression and the standardised quantiles of one symbol and horizon."""

    baseline: HarRv
    horizon: int
    coefficients: tuple[float, ...]
    """Intercept, then one per window."""
    standardised_quantiles: tuple[float, ...]
    """Quantiles of return over the forecast one-bar volatility at the five levels."""

    def scale(self, history: History) -> NDArray[np.float64]:
        """Forecast one-bar volatility over the next T bars, shape (n,), NaN while warming up."""
        answer: NDArray[np.float64] = np.exp(self.baseline.regressors(history) @ np.array(self.coefficients))
        return answer

    def quantiles(self, history: History) -> NDArray[np.float64]:
        """Log-return quantiles of every bar, shape (n, 5), NaN while warming up."""
        answer: NDArray[np.float64] = self.scale(history)[:, None] * np.array(self.standardised_quantiles)
        return answer


def _log_volatility_ahead(history: History, horizon: int) -> NDArray[np.float64]:
    """Log realised volatility of the `horizon` bars after each bar, shape (n,), NaN where unknown."""
    answer = np.full(len(history), np.nan)
    for segment in segments(history):
        variance = np.full(len(segment.returns), np.nan)
        trailing = segment.trailing_variance(horizon)
        variance[:-horizon] = trailing[horizon:]
        answer[segment.rows] = 0.5 * np.log(np.maximum(variance, VARIANCE_FLOOR))[segment.place]
    return answer
