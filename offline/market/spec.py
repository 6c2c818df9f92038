"""The law of the simulated market: a finite hidden Markov chain that drives volatility and jumps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS

BARS_PER_YEAR = 365.25 * 86_400 / BAR_SECONDS


@dataclass(frozen=True)
class MarketSpec:
    """Markov-switching stochastic volatility with jumps, at 4-hour bars.

    The hidden state of a symbol is a pair (regime, volatility step), numbered
    `regime * n_vol_states + step`. The step follows a Rouwenhorst chain, the discrete twin of a Gaussian
    AR(1) of log volatility; the regime is calm or stressed and shared by all symbols. While state k is
    in force a bar's log return is Gaussian with the one-bar volatility sigma_k, plus a compound Poisson
    sum of normal jumps in units of sigma_k. The defaults give a coin like BTC: annualised volatility
    between 40 and 100 % in most months, with a jump every eight days in calm and every third day in
    stressed markets; its one-bar kurtosis (about 12) and the decay of |return| autocorrelation are BTC's.

    Raises `ValueError` for a parameter outside its range.
    """

    annual_volatility: float = 0.45
    """Diffusive volatility a year in the calm regime at the middle step (0.45 = 45 %)."""
    n_vol_states: int = 7
    log_volatility_std: float = 0.30
    """Stationary standard deviation of log volatility within a regime."""
    half_life_bars: float = 200.0
    """Bars after which half of a deviation of log volatility is expected to be left."""
    stressed_multiplier: float = 1.7
    calm_bars: float = 1_500.0
    """Expected length of a calm spell, about 8 months."""
    stressed_bars: float = 500.0
    """Expected length of a stressed spell, about 12 weeks."""
    jump_intensity: tuple[float, float] = (0.02, 0.06)
    """Expected jumps per bar in the calm and the stressed regime."""
    jump_mean: float = -0.2
    jump_std: float = 2.5
    """Mean and standard deviation of one jump, in one-bar volatilities of the state."""
    correlation: float = 0.6
    """Correlation of the symbols' diffusive returns, through one common factor."""
    substeps: int = 24
    """Steps within a bar from which its high and low come."""

    def __post_init__(self) -> None:
        positive = {
            "annual_volatility": self.annual_volatility,
            "half_life_bars": self.half_life_bars,
            "stressed_multiplier": self.stressed_multiplier,
            "calm_bars - 1": self.calm_bars - 1,
            "stressed_bars - 1": self.stressed_bars - 1,
        }
        for name, value in positive.items():
            if not value > 0:
                raise ValueError(f"expected {name} > 0 in the market's law, found {value}")
        if self.n_vol_states < 2 or self.substeps < 1:
            raise ValueError(
                "expected n_vol_states >= 2 and substeps >= 1 in the market's law, found "
                f"{self.n_vol_states} and {self.substeps}"
            )
        if min(*self.jump_intensity, self.jump_std, self.log_volatility_std) < 0:
            raise ValueError(
                "expected jump_intensity, jump_std and log_volatility_std >= 0 in the market's law"
            )
        if not 0 <= self.correlation <= 1:
            raise ValueError(f"expected correlation in [0, 1] in the market's law, found {self.correlation}")

    @property
    def n_states(self) -> int:
        """Hidden states of one symbol."""
        return 2 * self.n_vol_states

    @cached_property
    def regime_transition(self) -> NDArray[np.float64]:
        """Transition probabilities of the regime per bar, shape (2, 2): calm, stressed."""
        leave = np.array([1 / self.calm_bars, 1 / self.stressed_bars])
        return np.array([[1 - leave[0], leave[0]], [leave[1], 1 - leave[1]]])

    @cached_property
    def step_transition(self) -> NDArray[np.float64]:
        """Transition probabilities of the volatility step per bar, shape (n_vol_states, n_vol_states).

        Rouwenhorst, K. G. (1995), in Frontiers of Business Cycle Research: the n-state chain whose
        autocorrelation is exactly that of the AR(1).
        """
        p = (1 + 0.5 ** (1 / self.half_life_bars)) / 2
        chain = np.array([[p, 1 - p], [1 - p, p]])
        for n in range(3, self.n_vol_states + 1):
            wider = np.zeros((n, n))
            wider[:-1, :-1] += p * chain
            wider[:-1, 1:] += (1 - p) * chain
            wider[1:, :-1] += (1 - p) * chain
            wider[1:, 1:] += p * chain
            wider[1:-1] /= 2
            chain = wider
        return chain

    @cached_property
    def transition(self) -> NDArray[np.float64]:
        """Transition probabilities of the joint state per bar, shape (n_states, n_states)."""
        return np.kron(self.regime_transition, self.step_transition).astype(np.float64)

    @cached_property
    def sigma(self) -> NDArray[np.float64]:
        """Diffusive one-bar volatility of each state in log-return units, shape (n_states,)."""
        edge = self.log_volatility_std * math.sqrt(self.n_vol_states - 1)
        steps: NDArray[np.float64] = np.exp(np.linspace(-edge, edge, self.n_vol_states))
        base = self.annual_volatility / math.sqrt(BARS_PER_YEAR)
        return np.concatenate([base * steps, base * self.stressed_multiplier * steps])

    @cached_property
    def intensity(self) -> NDArray[np.float64]:
        """Expected jumps per bar in each state, shape (n_states,)."""
        return np.repeat(np.array(self.jump_intensity), self.n_vol_states)

    @cached_property
    def stationary(self) -> NDArray[np.float64]:
        """Long-run share of bars in each state, shape (n_states,)."""
        regime = np.array([self.calm_bars, self.stressed_bars]) / (self.calm_bars + self.stressed_bars)
        n = self.n_vol_states - 1
        binomial = np.array([math.comb(n, k) / 2.0**n for k in range(n + 1)])
        return np.kron(regime, binomial).astype(np.float64)
