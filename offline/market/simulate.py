"""Bars of a market whose conditional quantiles are known exactly."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, LEVELS, iso
from offline.market.spec import BARS_PER_YEAR, MarketSpec
from offline.market.truth import true_quantiles

_START_PRICE = 1_000.0
_VOLUME = 5_000.0
"""Median base-asset volume of a bar at the calm regime's middle volatility."""


@dataclass(frozen=True)
class SimulatedMarket:
    """Bars and what nobody on a real market sees. Arrays have one entry per bar, shape (n_bars,)."""

    spec: MarketSpec
    histories: dict[str, History]
    states: dict[str, NDArray[np.int64]]
    """State in force when the bar closes: the bar was drawn in it, and it conditions all that follows."""
    multiplier: NDArray[np.float64]
    """Factor on every return of the bar, 1 unless there were breaks."""

    def true_quantiles(
        self, symbol: str, horizon: int, levels: Sequence[float] = LEVELS
    ) -> NDArray[np.float64]:
        """Exact return quantiles given each bar's state and multiplier, shape (n_bars, n_levels).

        Of bars less than `horizon` before a break they are what one says who does not foresee it.
        """
        by_state = _by_state(self.spec, horizon, tuple(levels))
        return by_state[self.states[symbol]] * self.multiplier[:, None]


def simulate(
    spec: MarketSpec,
    symbols: Sequence[str],
    n_bars: int,
    start: int,
    seed: int,
    *,
    breaks: Sequence[tuple[int, float]] = (),
) -> SimulatedMarket:
    """Simulate `n_bars` bars of each symbol from `start` (epoch seconds on the 4-hour grid).

    Every symbol draws from a stream of its own, keyed by its name: adding a symbol, or asking for more
    bars, leaves the others and the earlier bars as they were. Symbols share the regime and the common
    factor. Each of `breaks`, (bar index, multiplier), scales all returns from that bar on, for good.

    Raises `ValueError` for a start off the grid, no bars, repeated symbols or an impossible break.

    >>> market = simulate(MarketSpec(), ["BTC", "ETH"], 100, start=1704067200, seed=1)
    >>> len(market.histories["ETH"]), market.states["ETH"].shape
    (100, (100,))
    """
    if start % BAR_SECONDS:
        raise ValueError(f"expected start on the 4-hour grid, found {iso(start)}")
    if n_bars < 1 or not symbols or len(set(symbols)) != len(symbols):
        raise ValueError(
            f"expected at least one bar and distinct symbols, found {n_bars} bars of {list(symbols)}"
        )
    multiplier = np.ones(n_bars)
    for at, factor in breaks:
        if not 0 <= at < n_bars or not factor > 0:
            raise ValueError(
                f"expected breaks at a bar in [0, {n_bars}) by a factor > 0, found {(at, factor)}"
            )
        multiplier[at:] *= factor

    regime_stream, factor_stream = _streams(seed, "", 2)
    regime = _chain(spec.regime_transition, spec.stationary.reshape(2, -1).sum(axis=1), n_bars, regime_stream)
    factor_steps = factor_stream.standard_normal((n_bars, spec.substeps))
    open_time = start + BAR_SECONDS * np.arange(n_bars, dtype=np.int64)
    histories: dict[str, History] = {}
    states: dict[str, NDArray[np.int64]] = {}
    for symbol in symbols:
        streams = _streams(seed, symbol, 6)
        steps = spec.stationary.reshape(2, -1).sum(axis=0)
        state = regime * spec.n_vol_states + _chain(spec.step_transition, steps, n_bars, streams[0])
        returns = _intrabar_returns(spec, state, factor_steps, streams[1], streams[2:5])
        histories[symbol] = _bars(spec, symbol, open_time, state, returns * multiplier[:, None], streams[5])
        states[symbol] = state
    return SimulatedMarket(spec, histories, states, multiplier)


@lru_cache(maxsize=64)
def _by_state(spec: MarketSpec, horizon: int, levels: tuple[float, ...]) -> NDArray[np.float64]:
    return true_quantiles(spec, horizon, levels)


def _streams(seed: int, name: str, count: int) -> list[np.random.Generator]:
    """Independent generators of one symbol ("" for what all share); the name is the spawn key."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    children = np.random.SeedSequence(seed, spawn_key=(key,)).spawn(count)
    return [np.random.default_rng(child) for child in children]


def _chain(
    transition: NDArray[np.float64], start: NDArray[np.float64], n: int, stream: np.random.Generator
) -> NDArray[np.int64]:
    """A path of the chain from its stationary distribution `start`, shape (n,)."""
    # Without the last edge, which rounding may put at 1 - 1e-16, the search can not leave the states.
    rows = [row[:-1].tolist() for row in np.cumsum(transition, axis=1)]
    draws = stream.random(n).tolist()
    state = bisect_right(np.cumsum(start)[:-1].tolist(), draws[0])
    path = [state]
    for draw in draws[1:]:
        state = bisect_right(rows[state], draw)
        path.append(state)
    return np.array(path, dtype=np.int64)


def _intrabar_returns(
    spec: MarketSpec,
    state: NDArray[np.int64],
    factor_steps: NDArray[np.float64],
    own: np.random.Generator,
    jumps: list[np.random.Generator],
) -> NDArray[np.float64]:
    """Log returns of the steps within each bar, shape (n_bars, substeps)."""
    n, m = factor_steps.shape
    sigma = spec.sigma[state]
    steps: NDArray[np.float64] = np.sqrt(spec.correlation) * factor_steps
    steps += np.sqrt(1 - spec.correlation) * own.standard_normal((n, m))
    steps *= sigma[:, None] / np.sqrt(m)
    # The sum of N normal jumps is normal with N times their mean and variance; a bar's jumps share a step.
    counts, places, sizes = jumps
    number = counts.poisson(spec.intensity[state])
    jump = spec.jump_mean * number + spec.jump_std * np.sqrt(number) * sizes.standard_normal(n)
    steps[np.arange(n), (places.random(n) * m).astype(np.int64)] += sigma * jump
    return steps


def _bars(
    spec: MarketSpec,
    symbol: str,
    open_time: NDArray[np.int64],
    state: NDArray[np.int64],
    steps: NDArray[np.float64],
    stream: np.random.Generator,
) -> History:
    """Bars along the path of the steps: each opens at the close before, volume rises with volatility."""
    path = np.log(_START_PRICE) + np.cumsum(steps.ravel()).reshape(steps.shape)
    prices = np.exp(path)
    close = np.ascontiguousarray(prices[:, -1])
    opened = np.concatenate(([_START_PRICE], close[:-1]))
    calm = spec.annual_volatility / np.sqrt(BARS_PER_YEAR)
    volume = _VOLUME * (spec.sigma[state] / calm) * np.exp(0.5 * stream.standard_normal(len(close)))
    high = np.maximum(opened, prices.max(axis=1))
    low = np.minimum(opened, prices.min(axis=1))
    return History(symbol, open_time, opened, high, low, close, volume)
