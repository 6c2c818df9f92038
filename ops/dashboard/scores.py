"""Coverage, ranks and losses of closed bands, with intervals that respect their overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS
from ops.dashboard.rows import Table

WINDOW_BARS = 540
"""90 days, as the worker's own scoreboard: some 13 independent outcomes at T = 42, nine at T = 60."""
Z_90 = 1.6449
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rolling:
    """Means over the window that ends at `at`, epoch seconds. `effective` counts independent outcomes."""

    at: NDArray[np.int64]
    mean: Array
    effective: Array


def pooled(tables: Sequence[Table], field: str) -> tuple[NDArray[np.int64], Array]:
    """Mean of a field over symbols at every moment at which one has it, in order of time."""
    at = np.concatenate([one["at"] for one in tables]) if tables else np.empty(0, np.int64)
    values = np.concatenate([one[field] for one in tables]) if tables else np.empty(0)
    known = np.isfinite(values)
    at, values = at[known], values[known].astype(np.float64)
    moments, where = np.unique(at, return_inverse=True)
    count = np.bincount(where, minlength=len(moments))
    return moments, np.bincount(where, weights=values, minlength=len(moments)) / np.maximum(count, 1)


def rolling(at: NDArray[np.int64], values: Array, horizon: int, window_bars: int = WINDOW_BARS) -> Rolling:
    """The mean of the values within the last `window_bars` of the calendar, at every moment.

    Neighbouring labels overlap: n consecutive ones hold n / horizon independent ones. Symbols move together,
    so that more of them add none.

    >>> at = 14_400 * np.arange(1, 101)
    >>> told = rolling(at, np.ones(100), horizon=50)
    >>> float(told.mean[-1]), float(told.effective[-1])
    (1.0, 2.0)
    """
    first = np.searchsorted(at, at - window_bars * BAR_SECONDS, side="right")
    total = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(at) + 1)
    count = last - first
    mean = (total[last] - total[first]) / np.maximum(count, 1)
    return Rolling(at, mean, np.maximum(count / horizon, 0.0))


def wilson(share: Array | float, n: Array | float, z: float = Z_90) -> tuple[Array, Array]:
    """A 90 % score interval of a share seen in `n` independent trials.

    Wilson (1927), J. Am. Stat. Assoc. 22: it stays within [0, 1] and holds its level with few trials.

    >>> low, high = wilson(0.9, 13.0)
    >>> round(float(low), 2), round(float(high), 2)
    (0.69, 0.97)
    """
    p, k = np.asarray(share, dtype=np.float64), np.maximum(np.asarray(n, dtype=np.float64), 1e-9)
    middle = (p + z * z / (2 * k)) / (1 + z * z / k)
    half = z / (1 + z * z / k) * np.sqrt(p * (1 - p) / k + z * z / (4 * k * k))
    return middle - half, middle + half


@dataclass(frozen=True, slots=True)
class BundleScore:
    """What one bundle's closed bands of one horizon say; losses in log-return units."""

    bundle: str
    horizon: int
    closed: int
    effective: float
    coverage_90: float
    coverage_50: float
    pinball: float


def score(bundle: str, horizon: int, tables: Sequence[Table], number: int) -> BundleScore | None:
    """The score of bundle `number`, published or in shadow, over the tables; None without one."""
    columns: list[Any] = []
    for one in tables:
        told = one[np.isfinite(one["pinball"])]
        own, other = told[told["bundle"] == number], told[told["rival"] == number]
        columns += [
            np.column_stack([own[name] for name in ("at", "hit_90", "hit_50", "pinball")]),
            np.column_stack([other[n] for n in ("at", "rival_hit_90", "rival_hit_50", "rival_pinball")]),
        ]
    every = np.concatenate(columns) if columns else np.empty((0, 4))
    if not len(every):
        return None
    moments = len(np.unique(every[:, 0]))
    means = every[:, 1:].mean(axis=0)
    return BundleScore(bundle, horizon, len(every), moments / horizon, *map(float, means))


def paired_lead(tables: Sequence[Table], champion: int, challenger: int) -> tuple[NDArray[np.int64], Array]:
    """How much lower the challenger's pinball was at each target time, symbols averaged."""
    found = []
    for one in tables:
        ours = (one["bundle"] == champion) & (one["rival"] == challenger)
        swapped = (one["bundle"] == challenger) & (one["rival"] == champion)
        gain = np.where(ours, one["pinball"] - one["rival_pinball"], one["rival_pinball"] - one["pinball"])
        part = np.zeros(int((ours | swapped).sum()), [("at", "i8"), ("gain", "f8")])
        part["at"], part["gain"] = one["at"][ours | swapped], gain[ours | swapped]
        found.append(part)
    return pooled(found, "gain")
