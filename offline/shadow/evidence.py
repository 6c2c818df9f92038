"""Evidence that one band is better than another, valid however often it is looked at.

The question at every bar t: is the challenger's weighted pinball loss, averaged over symbols and horizons,
lower than the champion's? The gain `d_t` is known when the longest label has closed, h = 60 bars later, and
labels of neighbouring bars overlap. The null hypothesis is E[d_t | everything known at t] <= 0 for all t.

**Bets.** `d_t >= -worst_t`, with `worst_t` known at t (see `stake`). A gambler who stakes the share f of his
wealth multiplies it by 1 + f * d_t / s_t >= 1 - f >= 0, whose mean under the null is at most 1. Wealth is
split over a grid of shares, so that nobody has to know the best one. The unit `s_t` is the largest `worst` so
far, forgotten with a half-life of a year: `worst_t` itself would stake much on bars where the bands are alike
and little where they differ, so that two models equal on average, each ahead at its own times, would get
verdicts (29 of 240 ten-year runs where 12 are promised; with `s_t` 3 of 480).

**Overlap.** One gambler bets on every 60th bar only: his last bet is settled when he makes the next, so his
wealth is a supermartingale. There are 60 of them, one per phase, and every bar counts. Each is honest in his
own coarse time; their average in the time of bars is *not* a supermartingale, and Ville's inequality does
not hold for it (the correction to Henzi & Ziegel 2022, Biometrika 109(3), and Choe & Ramdas 2024,
"Combining evidence across filtrations"). What holds: stop at any bar, let the open bets run out, and the mean
of the average is at most 1. So the value told here is what is *certain* to be left when every open bet is
lost entirely: (1 - f) of the wealth at share f. If that ever reaches 1/alpha, the average after the open bets
is at least 1/alpha, and by Markov's inequality the chance of it under the null is at most alpha.

**Why not a bounded relative difference.** (L_a - L_b) / (L_a + L_b) lies in [-1, 1] without any knowledge of
the bands, but it is not a proper score: calm times count as much as wild ones, so bands that are too narrow
win. On simulated returns, bands 10 % too narrow lose 0.7 % of pinball and yet have a positive mean of it,
even over blocks of 60 bars (0.0013, standard error 0.0001).
It is also weaker: against a champion 40 % too narrow (pinball 8 % worse) it took 3,250 days in the median,
this 250. Blocks of 60 bars with 60 between them, one gambler for all, are valid too, use fewer bars, and took
1.3 to 1.45 times as long.

**What it does not protect from.** Models that are equal over the years while one is ahead for a year on end:
the null is then false for a year. `tests/statistics/test_comparison.py` has the rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.grid import HORIZONS

Array = NDArray[np.float64]

ALPHA = 0.05
LAG_BARS = max(HORIZONS)
"""A bet is settled when its longest label has closed; so many gamblers take turns."""
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
"""Shares of wealth: small ones for a small edge in long noise, large ones where the edge is plain. A share
pays (1 - f) for certainty, so none is near 1."""


HALF_LIFE_BARS = 2_190
"""A year, until a bar on which the bands differed wildly counts half in the unit of bets."""
LEAST_STAKE = 1e-6
"""Of the width of a band: below it the bands are equal, and rounding would decide the bet."""
_LOG_MAX = 600.0
"""Wealth is cut there, before it overflows; less wealth than due keeps every promise."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """E-values bar by bar: `path[t]` once bar t is settled. `reached` is the first t at 1/alpha or more."""

    path: Array
    reached: int | None

    @property
    def value(self) -> float:
        """The newest e-value; 1 before the first bar."""
        return float(self.path[-1]) if len(self.path) else 1.0


def evidence(gain: ArrayLike, worst: ArrayLike, *, alpha: float = ALPHA, lag: int = LAG_BARS) -> Evidence:
    """E-process against "the mean gain is not positive"; one value per bar of the calendar, in order.

    `gain` and `worst` have shape (n,): the realised gain and the most that could have been lost, known
    beforehand. A bar without any pair is NaN in either, and nobody bets on it, as where hardly
    anything is at stake.

    Raises:
        ValueError: the shapes differ, alpha is not in (0, 1), or a gain is below `-worst`.

    >>> sure = evidence([0.5] * 1_200, [1.0] * 1_200)
    >>> sure.reached
    1029
    >>> evidence([-0.1] * 1_200, [1.0] * 1_200).reached is None
    True
    """
    d, limit = np.asarray(gain, dtype=np.float64), np.asarray(worst, dtype=np.float64)
    if d.shape != limit.shape or d.ndim != 1:
        raise ValueError(f"expected gain and worst of one shape (n,), found {d.shape} and {limit.shape}")
    if not 0 < alpha < 1 or lag < 1:
        raise ValueError(f"expected alpha in (0, 1) and lag >= 1, found {alpha} and {lag}")
    odds = _odds(d, limit)
    shares = np.asarray(FRACTIONS)
    rounds = -(-len(odds) // lag)
    padded = np.concatenate([odds, np.zeros(rounds * lag - len(odds))])
    growth = np.log1p(padded[:, None] * shares).reshape(rounds, lag, len(shares))
    wealth = np.exp(np.minimum(growth.cumsum(axis=0), _LOG_MAX))
    certain = (_everyone(wealth) / lag * (1 - shares)).mean(axis=1)[: len(odds)]
    above = np.flatnonzero(certain >= 1 / alpha)
    return Evidence(certain, int(above[0]) if len(above) else None)


def _everyone(wealth: Array) -> Array:
    """The sum of all wealth after each bar: this round's of who has bet in it, last round's of the rest.

    From shape (rounds, lag, shares) to (rounds * lag, shares); a gambler starts with 1.
    """
    last = np.concatenate([np.ones_like(wealth[:1]), wealth[:-1]])
    waiting = last[:, ::-1].cumsum(axis=1)[:, ::-1] - last
    answer: Array = (wealth.cumsum(axis=1) + waiting).reshape(-1, wealth.shape[-1])
    return answer


def _odds(gain: Array, worst: Array) -> Array:
    """Gain per unit at stake, at least -1; 0 where nothing was at stake."""
    known = np.isfinite(gain) & np.isfinite(worst)
    d, limit = np.where(known, gain, 0.0), np.where(known, worst, 0.0)
    broken = np.flatnonzero(d < -limit * (1 + 1e-6) - LEAST_STAKE)
    if len(broken):
        at = int(broken[0])
        raise ValueError(f"expected a gain of at least {-limit[at]:g} at bar {at}, found {d[at]:g}")
    age = np.arange(len(d)) / HALF_LIFE_BARS
    unit = np.maximum.accumulate(limit * 2.0**age) / 2.0**age
    odds = np.divide(d, unit, out=np.zeros_like(d), where=unit > LEAST_STAKE)
    return np.maximum(odds, -1.0)
