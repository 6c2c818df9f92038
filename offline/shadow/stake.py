"""How much two bands for the same bar can differ in pinball loss, known before the outcome is.

The pinball loss of one band less that of another is, as a function of the outcome, piecewise linear with
knots at the ten quantiles and constant beyond them: its extremes lie at a knot or at an end. They bound a bet
on the difference before it is made (Choe & Ramdas 2023, "Comparing sequential forecasters", Operations
Research 72(4), on predictable bounds), and they are small where the bands are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.grid import LEVELS
from contracts.model.scores import pinball, width

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stakes:
    """Of n pairs of bands, each of shape (n,).

    `weight` is one over the sum of both 90 % widths, which makes a calm and a wild market, a short and a long
    horizon count alike; `worst` and `best` are how much the challenger can at most lose and gain on the
    champion, weighted and not negative.
    """

    weight: Array
    worst: Array
    best: Array


def stakes(champion: ArrayLike, challenger: ArrayLike) -> Stakes:
    """The stakes of pairs of bands: quantiles of log returns at `LEVELS`, both of shape (n, 5).

    Weights are infinite where both bands have no width. Raises `ValueError` when the shapes do not fit.

    >>> narrow, wide = [[-0.1, -0.05, 0.0, 0.05, 0.1]], [[-0.2, -0.1, 0.0, 0.1, 0.2]]
    >>> found = stakes(wide, narrow)
    >>> float(found.weight[0].round(3)), float(found.worst[0].round(4)), float(found.best[0].round(4))
    (1.667, 0.0383, 0.0117)
    """
    a, b = np.asarray(champion, dtype=np.float64), np.asarray(challenger, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != len(LEVELS):
        raise ValueError(f"expected two arrays of shape (n, {len(LEVELS)}), found {a.shape} and {b.shape}")
    at_knots = [
        (pinball(knot, a) - pinball(knot, b)).mean(axis=1) for knot in np.concatenate([a, b], axis=1).T
    ]
    levels = np.asarray(LEVELS)
    above = (levels * (b - a)).mean(axis=1)
    below = ((1 - levels) * (a - b)).mean(axis=1)
    gain = np.stack([*at_knots, above, below])
    both = width(a) + width(b)
    with np.errstate(divide="ignore"):
        weight = 1.0 / both
    scaled = np.where(both > 0, weight, 0.0)
    worst, best = np.maximum(-gain.min(axis=0), 0.0), np.maximum(gain.max(axis=0), 0.0)
    return Stakes(weight, scaled * worst, scaled * best)
