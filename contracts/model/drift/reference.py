"""Features against their training distribution: binned Kolmogorov-Smirnov with an honest null.

Features of neighbouring bars are nearly the same number, so the textbook null of independent rows would
reject every week. The null is the same statistic over windows of the same length inside training.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BINS = 10
NULL_PROBABILITIES = np.linspace(0.0, 0.9, 46)
"""Of the stored null quantiles. Beyond 90 % the tail is exponential with the mean excess seen in training."""


@dataclass(frozen=True, slots=True)
class DriftReference:
    """`names` (features,), inner decile `edges` (features, 9), and the null of `distance`.

    `null` (features, 46) are its quantiles at `NULL_PROBABILITIES`, `tail` (features,) its mean excess over
    the last of them. Both are None in a bundle from before features were watched.
    """

    names: tuple[str, ...]
    edges: Array
    null: Array | None = None
    tail: Array | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> DriftReference:
        """Read `reference.npz`; raises ValueError or KeyError when it is none."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            names = tuple(stored["names"].tolist())
            quantiles = stored["quantiles"]
            null, tail = (stored.get(name) for name in ("drift_null", "drift_tail"))
        if quantiles.shape != (len(names), 101):
            raise ValueError(f"expected quantiles of shape ({len(names)}, 101), found {quantiles.shape}")
        if (null is None) != (tail is None):
            raise ValueError("expected a null with its tail, found one without the other")
        if null is not None and tail is not None:
            wanted = (len(names), len(NULL_PROBABILITIES))
            if null.shape != wanted or tail.shape != (len(names),) or not (tail > 0).all():
                raise ValueError(
                    f"expected a null of {wanted} and positive tails, found {null.shape}, {tail.shape}"
                )
        return cls(names, decile_edges(quantiles), null, tail)

    def bins(self, row: Array) -> NDArray[np.int64]:
        """Which of the ten reference bins each feature of `row` (features,) is in, shape (features,)."""
        found: NDArray[np.int64] = (self.edges <= row[:, None]).sum(axis=1)
        return found

    def p_values(self, distances: Array) -> Array:
        """Share of training windows at least as far from the reference, shape (..., features)."""
        if self.null is None or self.tail is None:
            raise ValueError("expected a reference with a null, found none; train the bundle again")
        found = np.empty_like(distances)
        for feature, (null, tail) in enumerate(zip(self.null, self.tail, strict=True)):
            d = distances[..., feature]
            inside = 1.0 - np.interp(d, null, NULL_PROBABILITIES, left=0.0)
            beyond = (1.0 - NULL_PROBABILITIES[-1]) * np.exp(-np.maximum(d - null[-1], 0.0) / tail)
            found[..., feature] = np.where(d > null[-1], beyond, inside)
        return found


def percentiles(rows: Array) -> Array:
    """The 101 percentiles, 0 to 100, of every feature: (n, features) to (features, 101)."""
    found: Array = np.quantile(rows, np.linspace(0.0, 1.0, 101), axis=0).T
    return found


def decile_edges(quantiles: Array) -> Array:
    """The nine inner decile edges of 101 percentiles, (features, 101) to (features, 9)."""
    return np.ascontiguousarray(quantiles[:, 10:100:10])


def distance(counts: NDArray[np.integer]) -> Array:
    """Largest gap between the window's and the reference's distribution function, (..., 10) to (...).

    >>> distance(np.array([[0] * 9 + [42], [1] * 10])).round(3).tolist()
    [0.9, 0.0]
    """
    cumulative = counts.cumsum(axis=-1)
    share = cumulative / np.maximum(cumulative[..., -1:], 1)
    gap: Array = np.abs(share - np.arange(1, BINS + 1) / BINS).max(axis=-1)
    return gap


def adjusted(p_values: Array) -> Array:
    """Benjamini-Hochberg adjusted p-values over the last axis: Benjamini & Hochberg (1995), JRSS B 57(1).

    A feature is named when its adjusted value is at most the level. The features of a row depend on each
    other mostly in one direction, where the procedure holds (Benjamini & Yekutieli 2001).

    >>> adjusted(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    n = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1)
    ranked = np.take_along_axis(p_values, order, axis=-1) * n / np.arange(1, n + 1)
    least = np.minimum.accumulate(ranked[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty_like(least)
    np.put_along_axis(found, order, np.minimum(least, 1.0), axis=-1)
    return found
