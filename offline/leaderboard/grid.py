"""Grid-searched LightGBM: the plain model that stands by when the tuned one has to go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, LEVELS
from offline.leaderboard.calendar import Cadence, EveryMonths, Refit
from offline.leaderboard.market import Market, Rows
from offline.metrics import pinball
from offline.split import purged_kfold
from offline.train import TrainSettings
from offline.train.boosters import Cell, fit_cells, predict_levels

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the grid: what is learned, and how large the models are."""

    standardised: bool
    settings: TrainSettings

    def targets(self, rows: Rows) -> Array:
        """What the boosters learn, shape (n,)."""
        return rows.returns / rows.unit if self.standardised else rows.returns

    def quantiles(self, boosters: list[lgb.Booster], rows: Rows) -> Array:
        """Log-return quantiles, rearranged, shape (n, 5)."""
        learned = np.sort(predict_levels(boosters, rows.features), axis=1)
        return learned * rows.unit[:, None] if self.standardised else learned


PLAIN: dict[str, Any] = {"feature_fraction": 1.0, "extra_trees": False}
"""What a plain grid search leaves as LightGBM has it."""


def grid() -> list[Point]:
    """Raw or standardised returns, times three sizes from a small correction to the published depth."""
    sizes = ((60, 2), (200, 2), (200, 4))
    return [
        Point(standardised, TrainSettings(rounds=rounds, depth=depth, learning_rate=0.05, **PLAIN))
        for standardised in (True, False)
        for rounds, depth in sizes
    ]


HALF_YEAR = EveryMonths(6)


@dataclass(frozen=True, slots=True)
class GridPeer:
    """LightGBM pooled over symbols, its settings searched by purged cross-validation at every refit.

    The search takes every `search_every_bars`-th bar: labels overlap 42-fold, so a sixth of the bars
    still shows each outcome seven times. The chosen point is then fitted on every row.
    """

    cadence: Cadence = HALF_YEAR
    folds: int = 3
    search_every_bars: int = 6
    least_rows: int = 500
    threads: int | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return "lgb-grid"

    def prepare(self) -> None:
        """Nothing is needed."""

    def told(self) -> dict[str, Any]:
        """The grid and how it is searched."""
        return {
            "method": 1,
            "grid": [[point.standardised, point.settings.to_json()] for point in grid()],
            "folds": self.folds,
            "search_every_bars": self.search_every_bars,
            "least_rows": self.least_rows,
            "lightgbm": lgb.__version__,
        }

    def forecast(self, market: Market, refit: Refit, horizon: int) -> Array:
        """Quantiles of the point that cross-validation chose; NaN with too few rows to search on."""
        asked, past = market.asked(refit, horizon), market.training(refit, horizon)
        sampled = _take(past, past.bar % self.search_every_bars == 0)
        if len(sampled) < self.least_rows or not len(asked):
            return np.full((len(asked), len(LEVELS)), np.nan)
        best = self.search(sampled, horizon)
        boosters = fit_cells(
            [Cell(self.name, past.features, best.targets(past), best.settings)], self.threads
        )[0]
        return best.quantiles(boosters, asked)

    def search(self, rows: Rows, horizon: int) -> Point:
        """The point of the grid with the least mean pinball over purged folds; the first among equals."""
        folds = purged_kfold(rows.bar * BAR_SECONDS, horizon, self.folds)
        best, least = None, math.inf
        for point in grid():
            targets = point.targets(rows)
            cells = [
                Cell("fold", rows.features[f.train_idx], targets[f.train_idx], point.settings) for f in folds
            ]
            losses = []
            for fold, boosters in zip(folds, fit_cells(cells, self.threads), strict=True):
                held_out = _take(rows, fold.test_idx)
                losses.append(pinball(held_out.returns, point.quantiles(boosters, held_out)).mean())
            if (loss := float(np.mean(losses))) < least:
                best, least = point, loss
        assert best is not None, "a grid has points, and rows with a label have a finite loss"
        return best


def _take(rows: Rows, at: Any) -> Rows:
    return Rows(rows.features[at], rows.unit[at], rows.returns[at], rows.symbol[at], rows.bar[at])
