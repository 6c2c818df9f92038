"""Scores of one model on the common rows, on the calendar: bars down, symbols across."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, LEVELS
from offline.metrics import (
    bootstrap_mean,
    bootstrap_ratio,
    calibration_error,
    crossing_rate,
    effective_sample_size,
    hits,
    pinball,
    width,
    winkler,
)

Array = NDArray[np.float64]

RATIOS = ("pinball", "winkler_90", "winkler_50")
PLAIN = ("width_90", "below_q05", "above_q95")


@dataclass(frozen=True, slots=True)
class CommonRows:
    """The rows of one horizon that every model answers for and whose outcome is known."""

    horizon: int
    symbols: tuple[str, ...]
    symbol: NDArray[np.int64]
    close_time: NDArray[np.int64]
    outcome: Array

    def __len__(self) -> int:
        return len(self.close_time)

    @property
    def bar(self) -> NDArray[np.int64]:
        """Calendar bar of each row, from 0."""
        answer: NDArray[np.int64] = (self.close_time - self.close_time.min()) // BAR_SECONDS
        return answer

    def panel(self, values: Array) -> Array:
        """One row per calendar bar and one column per symbol, NaN where there is no row."""
        answer = np.full((int(self.bar.max()) + 1, len(self.symbols)), np.nan)
        answer[self.bar, self.symbol] = values
        return answer

    def years(self) -> NDArray[np.int64]:
        """Calendar year in which each row was issued, UTC."""
        first, last = (datetime.fromtimestamp(int(t), UTC).year for t in self._ends())
        edges = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in range(first, last + 2)]
        return first + np.searchsorted(edges, self.close_time, side="right") - 1

    def _ends(self) -> tuple[int, int]:
        return int(self.close_time.min()), int(self.close_time.max())


class ModelScores:
    """Every score of one model's quantiles, (n, 5), on the common rows."""

    def __init__(self, rows: CommonRows, quantiles: Array) -> None:
        y = rows.outcome
        self._rows, self._q = rows, quantiles
        self._values = {
            "pinball": pinball(y, quantiles).mean(axis=1),
            "winkler_90": winkler(y, quantiles, 0.90),
            "winkler_50": winkler(y, quantiles, 0.50),
            "coverage_90": hits(y, quantiles, 0.90),
            "coverage_50": hits(y, quantiles, 0.50),
            "width_90": width(quantiles, 0.90),
            "below_q05": (y < quantiles[:, 0]).astype(np.float64),
            "above_q95": (y > quantiles[:, -1]).astype(np.float64),
        }
        self._panels = {name: rows.panel(values) for name, values in self._values.items()}

    def ratio(self, other: ModelScores, score: str, columns: list[int]) -> dict[str, Any]:
        """Paired ratio of a loss to another model's, mean over symbols, with its interval."""
        top, bottom = self._panels[score][:, columns], other._panels[score][:, columns]
        return asdict(bootstrap_ratio(top, bottom, self._rows.horizon))

    def told(self, reference: ModelScores, columns: list[int]) -> dict[str, Any]:
        """Every score of the symbols in `columns` as JSON types; ratios are to the reference."""
        panels = {name: panel[:, columns] for name, panel in self._panels.items()}
        inside = np.isin(self._rows.symbol, columns)
        known = np.isfinite(panels["pinball"])
        told: dict[str, Any] = {
            "n": int(known.sum()),
            "n_effective": effective_sample_size(int(known.sum(axis=0).max()), self._rows.horizon),
        }
        for name in RATIOS:
            told[name] = _mean(panels[name])
            told[f"{name}_to_har_rv"] = self.ratio(reference, name, columns)
        for name in ("coverage_90", "coverage_50"):
            told[name] = asdict(bootstrap_mean(panels[name], self._rows.horizon))
        for name in PLAIN:
            told[name] = _mean(panels[name])
        error = calibration_error(self._rows.outcome[inside], self._q[inside])
        told["calibration_error"] = None if math.isnan(error) else error
        told["crossing_rate"] = crossing_rate(self._q[inside])
        return told | self._by_year(columns)

    def _by_year(self, columns: list[int]) -> dict[str, Any]:
        """Coverage of the 90 % band per year, and how far symbol-years are from it on average."""
        years, hit = self._rows.years(), self._values["coverage_90"]
        per_year: dict[str, float] = {}
        misses = []
        for year in np.unique(years):
            shares = [
                float(hit[mine].mean())
                for column in columns
                if (mine := (years == year) & (self._rows.symbol == column)).any()
            ]
            if shares:
                per_year[str(year)] = float(np.mean(shares))
                misses += [abs(share - (LEVELS[-1] - LEVELS[0])) for share in shares]
        return {"coverage_90_by_year": per_year, "yearly_miss": float(np.mean(misses))}


def _mean(panel: Array) -> float:
    """Mean over symbols of each one's mean over its bars."""
    count = np.isfinite(panel).sum(axis=0)
    total = np.nansum(panel, axis=0)
    return float((total[count > 0] / count[count > 0]).mean())
