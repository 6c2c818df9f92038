"""Quantile boosters: five levels for each horizon, fitted side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.dataset import Progress, no_progress
from offline.train.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Cell:
    """One set of five boosters to fit: rows (n, features) and standardised targets (n,)."""

    name: str
    rows: NDArray[np.float64]
    targets: NDArray[np.float64]


def fit_levels(cell: Cell, settings: TrainSettings) -> list[lgb.Booster]:
    """One booster per quantile level, all from the same binned rows."""
    params = [settings.lightgbm(level, len(cell.targets)) for level in LEVELS]
    data = lgb.Dataset(cell.rows, cell.targets, params=params[0], free_raw_data=False)
    data.construct()
    return [lgb.train(level_params, data, num_boost_round=settings.rounds) for level_params in params]


def fit_cells(
    cells: Sequence[Cell], settings: TrainSettings, progress: Progress = no_progress
) -> list[list[lgb.Booster]]:
    """Fit every cell, one single-threaded fit per core; the result is in the cells' order."""
    workers = settings.threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(fit_levels, cell, settings): number for number, cell in enumerate(cells)}
        fitted: list[list[lgb.Booster]] = [[] for _ in cells]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                fitted[jobs[job]] = job.result()
                progress("fitting quantile models", done * len(LEVELS), len(cells) * len(LEVELS))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return fitted


def predict_levels(boosters: Sequence[lgb.Booster], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw quantiles of `rows` (n, features), shape (n, 5)."""
    return np.column_stack([booster.predict(rows, num_threads=1) for booster in boosters])
