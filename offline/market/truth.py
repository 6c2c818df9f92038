"""The exact conditional distribution of the simulated market's returns.

Given the state s in force when bar t closes, the log return over the next T bars has the
characteristic function phi_T(u | s) = [(P diag(phi(u)))^T 1]_s: the chain moves first (P), then the bar
is drawn in the state it reached, whose one-bar characteristic function is phi_k(u). Quantiles follow by
inverting it with the cosine series of Fang & Oosterlee (2008), "A novel pricing method for European
options based on Fourier-cosine series expansions", SIAM J. Sci. Comput. 31(2), whose error falls
exponentially for these smooth densities. Nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.market.spec import MarketSpec

_RANGE_STDS = 25.0
"""Half width of the series' range in standard deviations of the most volatile state's T-bar return. Twice
this range moves no quantile of the default law by 1e-10."""
_NEGLIGIBLE = 1e-13
_MOST_TERMS = 2**16


def characteristic_function(spec: MarketSpec, horizon: int, u: NDArray[np.float64]) -> NDArray[np.complex128]:
    """phi_T(u | s) = E[exp(i u R)] of the return R over the next `horizon` bars.

    `u` has shape (n,), in one over log-return units; the answer (n_states, n).
    """
    scaled = spec.sigma[:, None] * u[None, :]
    jump = np.exp(1j * spec.jump_mean * scaled - 0.5 * (spec.jump_std * scaled) ** 2)
    bar = np.exp(-0.5 * scaled**2 + spec.intensity[:, None] * (jump - 1))
    answer: NDArray[np.complex128] = np.ones_like(bar)
    for _ in range(horizon):
        answer = spec.transition @ (bar * answer)
    return answer


def moments(spec: MarketSpec, horizon: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the T-bar log return by state, each of shape (n_states,)."""
    mean_bar = spec.intensity * spec.jump_mean * spec.sigma
    square_bar = spec.sigma**2 * (1 + spec.intensity * (spec.jump_mean**2 + spec.jump_std**2)) + mean_bar**2
    first = np.zeros(spec.n_states)
    second = np.zeros(spec.n_states)
    for _ in range(horizon):
        second = spec.transition @ (square_bar + 2 * mean_bar * first + second)
        first = spec.transition @ (mean_bar + first)
    return first, np.sqrt(second - first**2)


def true_quantiles(spec: MarketSpec, horizon: int, levels: Sequence[float] = LEVELS) -> NDArray[np.float64]:
    """Exact quantiles of log(C[t+T] / C[t]) given the state after bar t, shape (n_states, n_levels).

    Log-return units, accurate to about 1e-10. Raises `ValueError` for a horizon below one bar or a level
    outside (0, 1), and `ArithmeticError` when the law has too little diffusion for the series.

    >>> from offline.market.spec import MarketSpec
    >>> true_quantiles(MarketSpec(), 42, [0.05, 0.95]).shape
    (14, 2)
    """
    if horizon < 1 or any(not 0 < level < 1 for level in levels):
        raise ValueError(
            f"expected a horizon of at least 1 bar and levels in (0, 1), found {horizon} and {list(levels)}"
        )
    mean, std = moments(spec, horizon)
    left = float(mean.min() - _RANGE_STDS * std.max())
    width = float(mean.max() + _RANGE_STDS * std.max()) - left
    terms = 1024
    while True:
        u: NDArray[np.float64] = np.arange(terms, dtype=np.float64) * (np.pi / width)
        phi = characteristic_function(spec, horizon, u)
        rest = float(np.abs(phi[:, -1]).max())
        if rest < _NEGLIGIBLE:
            break
        terms *= 2
        if terms > _MOST_TERMS:
            raise ArithmeticError(
                f"expected the characteristic function to fall below {_NEGLIGIBLE} within {_MOST_TERMS} "
                f"terms, found {rest:.1e}; give every state more diffusion relative to its jumps"
            )
    weights: NDArray[np.float64] = 2 / width * np.real(phi * np.exp(-1j * u * left))
    weights[:, 1:] /= u[1:]

    low = np.repeat((mean - _RANGE_STDS * std)[:, None], len(levels), axis=1)
    high = np.repeat((mean + _RANGE_STDS * std)[:, None], len(levels), axis=1)
    wanted = np.asarray(levels, dtype=np.float64)[None, :]
    # 45 halvings of 50 standard deviations end at 1.4e-12 of one.
    for _ in range(45):
        middle = (low + high) / 2
        below = _distribution(middle - left, u, weights) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    answer: NDArray[np.float64] = (low + high) / 2
    return answer


def _distribution(
    offset: NDArray[np.float64], u: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The distribution function at `offset` (n_states, n_levels) from the left end of the range."""
    waves = np.sin(offset[:, :, None] * u[1:])
    rising = (waves @ weights[:, 1:, None])[:, :, 0]
    answer: NDArray[np.float64] = weights[:, :1] / 2 * offset + rising
    return answer
