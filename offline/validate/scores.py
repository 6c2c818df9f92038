"""Scores of issued bands on the calendar: per window, overall, per symbol and pooled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, LEVELS, MEDIAN
from offline.metrics import (
    Estimate,
    absolute_error,
    bootstrap_mean,
    bootstrap_pooled,
    bootstrap_ratio,
    calibration_error,
    effective_sample_size,
    hits,
    information_coefficient,
    pinball,
    winkler,
)

Array = NDArray[np.float64]

MEANS = ("coverage_90", "coverage_50", "crossing_rate", "pinball", "winkler_90", "mae")
"""Scores that are means over bars, so that the block bootstrap applies."""

BASELINES = ("har_rv", "ewma_ecdf")
RATIOS = ("pinball", "winkler_90")


@dataclass(frozen=True, slots=True)
class HorizonRows:
    """Issued bands of one horizon, in log-return units, NaN where there is no band or no outcome."""

    horizon: int
    symbols: tuple[str, ...]
    symbol: NDArray[np.int64]
    close_time: NDArray[np.int64]
    crossing: NDArray[np.bool_]
    quantiles: Array
    """(n, 5)"""
    outcome: Array
    """(n,)"""
    baselines: dict[str, Array]
    """Quantiles of each baseline, (n, 5)."""


class HorizonScores:
    """All scores of one horizon, from panels of one row per bar and one column per symbol."""

    def __init__(self, rows: HorizonRows) -> None:
        self._rows = rows
        self._first = int(rows.close_time.min())
        self._n_bars = (int(rows.close_time.max()) - self._first) // BAR_SECONDS + 1
        y, q = rows.outcome, rows.quantiles
        self._panels = {
            "coverage_90": self._panel(hits(y, q, 0.90)),
            "coverage_50": self._panel(hits(y, q, 0.50)),
            "crossing_rate": self._panel(rows.crossing.astype(np.float64)),
            "pinball": self._panel(pinball(y, q).mean(axis=1)),
            "winkler_90": self._panel(winkler(y, q, 0.90)),
            "mae": self._panel(absolute_error(y, q[:, MEDIAN])),
        }
        self._base = {
            name: {
                "pinball": self._panel(pinball(y, quantiles).mean(axis=1)),
                "winkler_90": self._panel(winkler(y, quantiles, 0.90)),
            }
            for name, quantiles in rows.baselines.items()
        }

    def window(self, start: int, stop: int) -> dict[str, Any]:
        """Plain scores of the bands issued in [start, stop), pooled and per symbol."""
        bars = slice(
            max(0, -(-(start - self._first) // BAR_SECONDS)), -(-(stop - self._first) // BAR_SECONDS)
        )
        inside = (self._rows.close_time >= start) & (self._rows.close_time < stop)
        return {name: self._plain(bars, inside, columns) for name, columns in self._scopes()}

    def overall(self) -> dict[str, Any]:
        """Every score with its interval, pooled and per symbol."""
        return {name: self._estimates(columns) for name, columns in self._scopes()}

    def _scopes(self) -> list[tuple[str, list[int]]]:
        every = list(range(len(self._rows.symbols)))
        return [("pooled", every), *((self._rows.symbols[column], [column]) for column in every)]

    def _panel(self, values: Array) -> Array:
        panel = np.full((self._n_bars, len(self._rows.symbols)), np.nan)
        panel[(self._rows.close_time - self._first) // BAR_SECONDS, self._rows.symbol] = values
        return panel

    def _plain(self, bars: slice, inside: NDArray[np.bool_], columns: Sequence[int]) -> dict[str, Any]:
        known = np.isfinite(self._panels["pinball"][bars][:, columns])
        told: dict[str, Any] = {
            "bands": int(np.isfinite(self._panels["crossing_rate"][bars][:, columns]).sum()),
            "n": int(known.sum()),
            "n_effective": effective_sample_size(int(known.sum(axis=0).max(initial=0)), self._rows.horizon),
        }
        for name in MEANS:
            told[name] = _mean_over_symbols(self._panels[name][bars][:, columns])
        for baseline, panels in self._base.items():
            for name in RATIOS:
                ours, theirs = (p[name][bars][:, columns] for p in (self._panels, panels))
                told[f"{name}_to_{baseline}"] = _mean_ratio(ours, theirs)
        return told | self._not_means(inside & np.isin(self._rows.symbol, columns))

    def _not_means(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        y, q = self._rows.outcome[mask], self._rows.quantiles[mask]
        error = calibration_error(y, q)
        correlation = information_coefficient(y, q[:, MEDIAN])
        return {
            "calibration_error": None if math.isnan(error) else error,
            "ic": correlation.value,
            "ic_reason": correlation.reason,
        }

    def _estimates(self, columns: Sequence[int]) -> dict[str, Any]:
        horizon = self._rows.horizon
        told: dict[str, Any] = {}
        for name in MEANS:
            panel = self._panels[name][:, columns]
            told[name] = to_json(bootstrap_mean(panel, horizon)) if np.isfinite(panel).any() else NOTHING
        told |= self._pooled_estimates(columns)
        for baseline, panels in self._base.items():
            for name in RATIOS:
                top, bottom = self._panels[name][:, columns], panels[name][:, columns]
                both = np.isfinite(top) & np.isfinite(bottom)
                told[f"{name}_to_{baseline}"] = (
                    to_json(bootstrap_ratio(top, bottom, horizon)) if both.any() else NOTHING
                )
        return told

    def _pooled_estimates(self, columns: Sequence[int]) -> dict[str, Any]:
        """Calibration error and IC; an IC's interval redraws the ranks of the whole sample."""
        rows, horizon = self._rows, self._rows.horizon
        known = np.isfinite(rows.outcome) & np.isfinite(rows.quantiles).all(axis=1)
        known &= np.isin(rows.symbol, columns)
        if not known.any():
            return {"calibration_error": NOTHING, "ic": NOTHING}
        y, q = rows.outcome[known], rows.quantiles[known]
        below = [self._panel_of(known, y <= q[:, level]) for level in range(len(LEVELS))]
        told = {"calibration_error": to_json(bootstrap_pooled(below, _calibration_error, horizon))}
        correlation = information_coefficient(y, q[:, MEDIAN])
        if correlation.value is None:
            size = {key: told["calibration_error"][key] for key in ("n", "n_effective")}
            return told | {"ic": NOTHING | size | {"reason": correlation.reason}}
        a, b = (pd.Series(values).rank().to_numpy() / len(y) for values in (y, q[:, MEDIAN]))
        ranks = [self._panel_of(known, values) for values in (a, b, a * a, b * b, a * b)]
        ic = bootstrap_pooled(ranks, _correlation, horizon)
        return told | {"ic": to_json(ic) | {"value": correlation.value}}

    def _panel_of(self, known: NDArray[np.bool_], values: NDArray[Any]) -> Array:
        whole = np.full(len(known), np.nan)
        whole[known] = values
        return self._panel(whole)


def _calibration_error(shares: Array) -> Array:
    error: Array = np.abs(shares - np.array(LEVELS)).mean(axis=1)
    return error


def _correlation(means: Array) -> Array:
    """Of two variables from their means, mean squares and mean product, one row a draw."""
    a, b, aa, bb, ab = means.T
    spread = np.sqrt(np.maximum((aa - a * a) * (bb - b * b), 0.0))
    correlation: Array = np.divide(ab - a * b, spread, out=np.full(len(means), np.nan), where=spread > 0)
    return correlation


NOTHING: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "level": None,
    "n": 0,
    "n_effective": 0,
    "reason": "no band with an outcome",
}


def to_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON types."""
    return asdict(estimate)


def _mean_ratio(ours: Array, theirs: Array) -> float | None:
    """Mean over symbols of each one's ratio of sums, on the bars both have, as `bootstrap_ratio` has it."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    top, bottom = (np.where(both, panel, 0.0).sum(axis=0) for panel in (ours, theirs))
    return float((top[bottom > 0] / bottom[bottom > 0]).mean()) if (bottom > 0).any() else None


def _mean_over_symbols(panel: Array) -> float | None:
    """Mean over symbols of each one's mean over its bars, as `bootstrap_mean` has it."""
    known = np.isfinite(panel)
    count = known.sum(axis=0)
    total = np.where(known, panel, 0.0).sum(axis=0)
    reached = count > 0
    return float((total[reached] / count[reached]).mean()) if reached.any() else None
