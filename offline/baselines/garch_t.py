"""GARCH(1,1) with Student's t: the econometrician's volatility forecast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter  # type: ignore[import-untyped]

from contracts.model.candle import History
from contracts.model.scale import VARIANCE_FLOOR
from offline.baselines.base import empirical_quantiles, require_labels
from offline.baselines.calendar import segments
from offline.labels import forward_returns, label_close_times

PERCENT = 100.0
"""The likelihood is maximised on returns in per cent, where `arch`'s optimiser is well scaled."""


@dataclass(frozen=True, slots=True)
class GarchProcess:
    """Variance of the next bar: omega + alpha · (last return)² + beta · (variance of the last bar).

    Returns and variances are those of one bar, in log-return units.
    """

    omega: float
    alpha: float
    beta: float
    start: float
    """Variance before the first bar: the mean square that the process was fitted on."""

    def next_variance(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of the bar after each bar of an unbroken stretch, shape (m,)."""
        driven = self.omega + self.alpha * returns**2
        answer: NDArray[np.float64] = lfilter([1.0], [1.0, -self.beta], driven, zi=[self.beta * self.start])[
            0
        ]
        return answer

    def summed(self, next_variance: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
        """Expected variance of the sum of the next `horizon` bars; the geometric sums, written out."""
        powers = (self.alpha + self.beta) ** np.arange(horizon)
        from_omega = np.concatenate(([0.0], np.cumsum(powers)[:-1])).sum()
        answer: NDArray[np.float64] = powers.sum() * next_variance + from_omega * self.omega
        return answer


@dataclass(frozen=True, slots=True)
class GarchT:
    """GARCH(1,1) with t innovations, its variance summed over T, with empirical standardised quantiles.

    Fitted by maximum likelihood on one-bar returns: Bollerslev (1987), "A conditionally heteroskedastic
    time series model for speculative prices and rates of return", Rev. Econ. Stat. 69(3). Quantiles of
    past `return / forecast`, times today's forecast; every bar is filtered with the constants of the fit.

    >>> from offline.market import MarketSpec, simulate
    >>> history = simulate(MarketSpec(), ["BTC"], 2_000, start=0, seed=1).histories["BTC"]
    >>> fitted = GarchT().fit(history, horizon=42, until=int(history.open_time[-1]))
    >>> 0 < fitted.process.alpha + fitted.process.beta < 1, fitted.quantiles(history).shape
    (True, (2000, 5))
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        return "garch-t"

    def fit(self, history: History, horizon: int, until: int) -> FittedGarchT:
        """Learn from labels that close at or before `until`; raises as `Baseline.fit` says."""
        returns = forward_returns(history, horizon)
        closed = label_close_times(history, horizon) <= until
        known = int((closed & np.isfinite(returns)).sum())
        require_labels(self.name, history.symbol, known)
        past = history.between(None, until)
        stretches = [segment.returns[1:] for segment in segments(past)]
        process = _fitted(np.concatenate(stretches).tobytes())
        standardised = returns / _scale(process, history, horizon)
        closed &= np.isfinite(standardised)
        require_labels(self.name, history.symbol, int(closed.sum()))
        return FittedGarchT(horizon, process, tuple(empirical_quantiles(standardised[closed]).tolist()))


@dataclass(frozen=True, slots=True)
class FittedGarchT:
    """The process and the standardised quantiles of one symbol and horizon."""

    horizon: int
    process: GarchProcess
    standardised_quantiles: tuple[float, ...]
    """Quantiles of return over its forecast standard deviation at the five levels."""

    def quantiles(self, history: History) -> NDArray[np.float64]:
        """Log-return quantiles of every bar, shape (n, 5), NaN while warming up."""
        scale = _scale(self.process, history, self.horizon)
        answer: NDArray[np.float64] = scale[:, None] * np.array(self.standardised_quantiles)
        return answer


def _scale(process: GarchProcess, history: History, horizon: int) -> NDArray[np.float64]:
    """Forecast standard deviation of the return over `horizon` bars, shape (n,), NaN while warming up."""
    answer = np.full(len(history), np.nan)
    for segment in segments(history):
        variance = process.summed(process.next_variance(segment.returns), horizon)
        scale = np.sqrt(np.maximum(variance, horizon * VARIANCE_FLOOR))[segment.place]
        answer[segment.rows] = np.where(segment.warm, scale, np.nan)
    return answer


@lru_cache(maxsize=64)
def _fitted(returns: bytes) -> GarchProcess:
    """Maximum likelihood on float64 returns; one fit serves every horizon."""
    values = np.frombuffer(returns)
    mean_square = float(np.mean(values**2))
    if mean_square <= VARIANCE_FLOOR:
        return GarchProcess(VARIANCE_FLOOR, 0.0, 0.0, VARIANCE_FLOOR)
    from arch import arch_model

    model = arch_model(PERCENT * values, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    found = model.fit(disp="off", show_warning=False).params
    return GarchProcess(
        float(found["omega"]) / PERCENT**2, float(found["alpha[1]"]), float(found["beta[1]"]), mean_square
    )
