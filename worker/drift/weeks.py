"""Histograms of the features, week by week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift import DriftReference, FeatureDrift
from contracts.model.drift.reference import BINS

_BASE = 48
"""Counts up to 60 as one printable character each: chr(48 + count)."""


@dataclass(frozen=True, slots=True)
class Weeks:
    """Counts of the running week and the full ones before it, each (features, 10); immutable."""

    rows: int
    running: NDArray[np.uint8]
    full: tuple[NDArray[np.uint8], ...] = ()

    @classmethod
    def empty(cls, n_features: int) -> Self:
        """No row yet."""
        return cls(0, np.zeros((n_features, BINS), np.uint8))

    def add(self, spec: FeatureDrift, reference: DriftReference, row: NDArray[np.float64]) -> Weeks:
        """With one more row of features; a full week joins the others, of which the newest are kept."""
        counts = self.running.copy()
        counts[np.arange(len(counts)), reference.bins(row)] += 1
        if self.rows + 1 < spec.week_bars:
            return Weeks(self.rows + 1, counts, self.full)
        return Weeks(0, np.zeros_like(counts), (*self.full, counts)[-spec.weeks :])

    @property
    def window(self) -> NDArray[np.int64]:
        """Counts over the full weeks, (features, 10)."""
        total: NDArray[np.int64] = np.sum(self.full, axis=0, dtype=np.int64)
        return total

    def to_json(self) -> dict[str, Any]:
        """The state as JSON types, ten characters for each feature and week."""
        return {
            "rows": self.rows,
            "running": _text(self.running),
            "full": [_text(week) for week in self.full],
        }

    @classmethod
    def from_json(cls, told: dict[str, Any], n_features: int, spec: FeatureDrift) -> Self:
        """The inverse of `to_json`; raises ValueError, KeyError or TypeError on anything else."""
        running, full = _counts(told["running"], n_features), [_counts(w, n_features) for w in told["full"]]
        sums = [set(week.sum(axis=1).tolist()) for week in (running, *full)]
        rows = int(told["rows"])
        if sums != [{rows}, *[{spec.week_bars}] * len(full)] or len(full) > spec.weeks:
            raise ValueError(f"expected weeks of {spec.week_bars} rows, found sums {sums} of {rows}")
        return cls(rows, running, tuple(full))


def _text(counts: NDArray[np.uint8]) -> str:
    return (counts.ravel() + np.uint8(_BASE)).tobytes().decode("ascii")


def _counts(text: str, n_features: int) -> NDArray[np.uint8]:
    counts = np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(_BASE)
    return counts.reshape(n_features, BINS)
