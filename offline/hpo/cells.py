"""The cells of a trial: purged calendar fold × quantile level, in Latin-square order.

Rung r holds, for every fold f, the cell of level (2 f + r) modulo five: one cell of each fold, and with
five folds one of each level, with fewer levels that lie apart. Every rung is therefore a fair sample of the
whole grid, and trials may be compared after any of them. Boosting rounds are no such measure: the rank after
a tenth of the rounds is anti-correlated with the final one when rate and rounds are tuned (-0.59), after one
rung of five cells it is 0.95.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError
from contracts.model.conformal import finite_sample_rank
from contracts.model.grid import LEVELS, MEDIAN
from offline.dataset import Dataset
from offline.hpo.pool import CellPool
from offline.hpo.settings import TunedSettings
from offline.hpo.space import SHRINKS, WEIGHTS
from offline.metrics import effective_sample_size
from offline.split import purged_combinations
from offline.train.boosters import fit_level
from offline.train.empirical import shrunken_quantiles

Array = NDArray[np.float64]
N_FOLDS = len(LEVELS)
"""The default, as many folds as levels: only then is the grid a square and every rung alike."""
N_RUNGS = len(LEVELS)


def latin_rungs(folds: int = N_FOLDS) -> list[list[tuple[int, int]]]:
    """The cells (fold, level) of a grid of `folds` × five levels, by rung.

    >>> latin_rungs(3)[1]
    [(0, 1), (1, 3), (2, 0)]
    """
    return [[(fold, (2 * fold + rung) % N_RUNGS) for fold in range(folds)] for rung in range(N_RUNGS)]


@dataclass(frozen=True, slots=True)
class CellLoss:
    """Mean pinball of one cell for every share of the correction (rows) and median shrink (columns).

    `standardised` counts in σ√T, `log_return` in log-return units.
    """

    standardised: Array
    log_return: Array


@dataclass(frozen=True, slots=True)
class Score:
    """The mean over cells at the best pair of correction share and median shrink.

    `pinball_standardised` is what a search minimises: in units of σ√T no fold outweighs the others by
    its volatility. `pinball` is the same pair's loss in log-return units. Levels are scored one by one,
    before rearrangement, which can only lower the loss.
    """

    pinball_standardised: float
    pinball: float
    weight: float
    median_shrink: float

    @classmethod
    def best(cls, losses: Sequence[CellLoss]) -> Score:
        """The best pair for these cells; the smaller weight and shrink where two are equal."""
        mean = np.mean([loss.standardised for loss in losses], axis=0)
        w, s = np.unravel_index(int(np.argmin(mean)), mean.shape)
        return cls.at(losses, int(w), int(s))

    @classmethod
    def at(cls, losses: Sequence[CellLoss], w: int, s: int) -> Score:
        """The score of the pair (`WEIGHTS[w]`, `SHRINKS[s]`)."""
        return cls(
            float(np.mean([loss.standardised[w, s] for loss in losses])),
            float(np.mean([loss.log_return[w, s] for loss in losses])),
            WEIGHTS[w],
            SHRINKS[s],
        )


@dataclass(frozen=True, slots=True)
class _FoldData:
    binned: lgb.Dataset
    n_train: int
    base: Array
    """Empirical quantiles of each training row's symbol, (rows, 5)."""
    empirical: Array
    """The same of the rows that are scored."""
    rows: Array
    targets: Array
    units: Array


class CellGrid:
    """The cells of one horizon, binned once and fitted as often as a search asks.

    Raises:
        BadInputError: too little history for these purged folds, or for an interval to mean anything.
    """

    def __init__(
        self, dataset: Dataset, horizon: int, *, n_folds: int = N_FOLDS, embargo_bars: int = 0
    ) -> None:
        targets = dataset.targets(horizon)
        known = np.flatnonzero(np.isfinite(targets))
        n_bars = len(np.unique(dataset.close_time[known]))
        independent = effective_sample_size(n_bars, horizon) if n_bars else 0
        if not independent or finite_sample_rank(independent, 0.1) > independent:
            raise BadInputError(
                f"expected history enough to tune on, found {n_bars} bars with a label, about {independent} "
                f"independent outcomes {horizon} bars ahead; use more history"
            )
        self.horizon = horizon
        self.n_folds = n_folds
        self.embargo_bars = embargo_bars
        self.n_rows = len(known)
        try:
            folds = purged_combinations(dataset.close_time[known], horizon, n_folds, 1, embargo_bars)
        except ValueError as error:
            raise BadInputError(str(error)) from error
        units = dataset.sigma * math.sqrt(horizon)
        self._folds = []
        for fold in folds:
            train, test = known[fold.train_idx], known[fold.test_idx]
            binned = lgb.Dataset(
                dataset.rows[train],
                targets[train],
                params=TunedSettings().lightgbm(LEVELS[0], len(train)),
                free_raw_data=False,
            ).construct()
            empirical = shrunken_quantiles(targets[train], dataset.symbol[train], len(dataset.symbols))
            self._folds.append(
                _FoldData(
                    binned,
                    len(train),
                    empirical[dataset.symbol[train]],
                    empirical[dataset.symbol[test]],
                    dataset.rows[test],
                    targets[test],
                    units[test],
                )
            )

    def rung(self, settings: TunedSettings, rung: int, pool: CellPool) -> list[CellLoss]:
        """Fit and score the cells of one rung side by side. A rung meets each fold once, so that no two
        of its fits share a LightGBM Dataset."""
        jobs = [
            _Job(self, settings, fold, level, pool.check) for fold, level in latin_rungs(self.n_folds)[rung]
        ]
        return pool.run(jobs)

    def all_rungs(self, settings: TunedSettings, pool: CellPool) -> list[CellLoss]:
        """Fit and score the whole grid."""
        return [loss for rung in range(N_RUNGS) for loss in self.rung(settings, rung, pool)]

    def loss(self, settings: TunedSettings, fold: int, level: int, check: Callable[[], None]) -> CellLoss:
        """Fit one cell on one core and score it; `check` may raise between two rounds to end it."""
        data = self._folds[fold]
        params = settings.lightgbm(LEVELS[level], data.n_train)

        def between_rounds(_: Any) -> None:
            check()

        booster = fit_level(data.binned, params, settings.rounds, data.base[:, level], [between_rounds])
        moves = np.asarray(booster.predict(data.rows, num_threads=1), dtype=np.float64)
        return _score(moves, data, level)


@dataclass(frozen=True, slots=True)
class _Job:
    grid: CellGrid
    settings: TunedSettings
    fold: int
    level: int
    check: Callable[[], None]

    def __call__(self) -> CellLoss:
        return self.grid.loss(self.settings, self.fold, self.level, self.check)


def _score(moves: Array, data: _FoldData, level: int) -> CellLoss:
    shape = (len(WEIGHTS), len(SHRINKS))
    standardised, log_return = np.empty(shape), np.empty(shape)
    tau = LEVELS[level]
    for w, weight in enumerate(WEIGHTS):
        corrected = data.empirical[:, level] + weight * moves
        for s, shrink in enumerate(SHRINKS):
            if s and level != MEDIAN:
                standardised[w, s], log_return[w, s] = standardised[w, 0], log_return[w, 0]
                continue
            error = data.targets - (corrected * (1.0 - shrink) if level == MEDIAN else corrected)
            loss = error * (tau - (error < 0))
            standardised[w, s], log_return[w, s] = loss.mean(), (loss * data.units).mean()
    return CellLoss(standardised, log_return)
