"""Models that ship, fitted on every row, and quantiles of rows held out from models like them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.conformal import finite_sample_rank
from contracts.model.grid import HORIZONS, LEVELS
from contracts.model.quantiles import correct, crossing_rate, rearrange
from offline.calibration.held_out import HeldOut
from offline.dataset import Dataset, Progress, no_progress
from offline.metrics import effective_sample_size
from offline.split import Fold, purged_kfold
from offline.train.boosters import Cell, fit_cells, predict_levels
from offline.train.empirical import shrunken_quantiles
from offline.train.plan import TrainPlan
from offline.train.settings import TrainSettings

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CrossFit:
    """One horizon: `boosters` (none unless they ship), each symbol's `empirical` quantiles (symbols, 5)."""

    horizon: int
    boosters: list[lgb.Booster]
    empirical: Array
    held_out: HeldOut
    crossing_rate: float
    """Share of held-out rows whose quantiles cross before rearrangement."""
    independent_outcomes: int


def cross_fit(
    dataset: Dataset,
    plan: TrainPlan,
    progress: Progress = no_progress,
    *,
    horizons: Sequence[int] = HORIZONS,
    ship: bool = True,
) -> list[CrossFit]:
    """Fit purged calendar folds of every horizon and, when they `ship`, models on all rows.

    Every row is scored by models and empirical quantiles that saw no label overlapping its own.

    Raises:
        ValueError: too little history for the folds or for a 90 % interval.
    """
    works = [_Work.of(dataset, horizon, plan) for horizon in horizons]
    cells = [cell for work in works for cell in work.cells(ship=ship)]
    fitted = iter(fit_cells(cells, plan.threads, progress))
    return [work.collect(fitted, ship=ship) for work in works]


@dataclass(frozen=True, slots=True)
class _Work:
    dataset: Dataset
    horizon: int
    settings: TrainSettings
    known: NDArray[np.int64]
    targets: Array
    folds: list[Fold]
    independent: int

    @classmethod
    def of(cls, dataset: Dataset, horizon: int, plan: TrainPlan) -> _Work:
        targets = dataset.targets(horizon)
        known = np.flatnonzero(np.isfinite(targets))
        folds = purged_kfold(dataset.close_time[known], horizon, plan.folds)
        n_bars = len(np.unique(dataset.close_time[known]))
        independent = effective_sample_size(n_bars, horizon)
        if finite_sample_rank(independent, 0.1) > independent:
            raise ValueError(
                f"expected outcomes enough for a 90 % interval, found {n_bars} bars with a label, about "
                f"{independent} independent outcomes {horizon} bars ahead; use more history"
            )
        return cls(dataset, horizon, plan.settings(horizon), known, targets[known], folds, independent)

    def cells(self, *, ship: bool) -> list[Cell]:
        every = np.arange(len(self.known))
        folds = [self._cell(f"fold {n}", fold.train_idx) for n, fold in enumerate(self.folds)]
        return [self._cell("all", every), *folds] if ship else folds

    def _cell(self, name: str, at: NDArray[np.int64]) -> Cell:
        return Cell(
            f"T{self.horizon} {name}",
            self.dataset.rows[self.known[at]],
            self.targets[at],
            self.settings,
            self._empirical(at)[self._symbol[at]],
        )

    @property
    def _symbol(self) -> NDArray[np.int64]:
        return self.dataset.symbol[self.known]

    def _empirical(self, at: NDArray[np.int64]) -> Array:
        return shrunken_quantiles(self.targets[at], self._symbol[at], len(self.dataset.symbols))

    def collect(self, fitted: Iterator[list[lgb.Booster]], *, ship: bool) -> CrossFit:
        boosters = next(fitted) if ship else []
        crossed = np.full((len(self.known), len(LEVELS)), np.nan)
        for fold in self.folds:
            base = self._empirical(fold.train_idx)[self._symbol[fold.test_idx]]
            moves = predict_levels(next(fitted), self.dataset.rows[self.known[fold.test_idx]])
            crossed[fold.test_idx] = correct(base, moves, self.settings.weight, self.settings.median_shrink)
        held = HeldOut(
            self.horizon,
            self.dataset.symbols,
            self._symbol,
            self.dataset.close_time[self.known],
            self.dataset.volatility_ratio[self.known],
            self.dataset.sigma[self.known],
            rearrange(crossed),
            self.targets,
        )
        return CrossFit(
            self.horizon,
            boosters,
            self._empirical(np.arange(len(self.known))),
            held,
            crossing_rate(crossed),
            self.independent,
        )
