"""Quantile boosters: five levels of one cell, many cells side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.dataset import Progress, no_progress
from offline.train.settings import TrainSettings

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One set of five boosters to fit: `rows` (n, features) to `targets` (n,).

    With `base` (n, 5) they learn what to add to these quantiles; without, the quantiles themselves.
    """

    name: str
    rows: Array
    targets: Array
    settings: TrainSettings
    base: Array | None = None


def fit_levels(cell: Cell) -> list[lgb.Booster]:
    """One booster per quantile level, all from the same binned rows."""
    settings = cell.settings
    params = [settings.lightgbm(level, len(cell.targets)) for level in LEVELS]
    data = lgb.Dataset(cell.rows, cell.targets, params=params[0], free_raw_data=False).construct()
    return [
        fit_level(data, level_params, settings.rounds, None if cell.base is None else cell.base[:, number])
        for number, level_params in enumerate(params)
    ]


def fit_level(
    data: lgb.Dataset,
    params: dict[str, Any],
    rounds: int,
    base: Array | None,
    callbacks: list[Callable[..., Any]] | None = None,
) -> lgb.Booster:
    """One booster on binned rows; with `base` (n,) it learns what to add to it."""
    if base is not None:
        data.set_init_score(np.ascontiguousarray(base))
        params = params | {"boost_from_average": False}
    return lgb.train(params, data, num_boost_round=rounds, callbacks=callbacks)


def fit_cells(
    cells: Sequence[Cell], threads: int | None = None, progress: Progress = no_progress
) -> list[list[lgb.Booster]]:
    """Fit every cell, one single-threaded fit per core; the result is in the cells' order."""
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(fit_levels, cell): number for number, cell in enumerate(cells)}
        fitted: list[list[lgb.Booster]] = [[] for _ in cells]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                fitted[jobs[job]] = job.result()
                progress("fitting quantile models", done * len(LEVELS), len(cells) * len(LEVELS))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return fitted


def predict_levels(boosters: Sequence[lgb.Booster], rows: Array) -> Array:
    """What each level's booster says of `rows` (n, features), shape (n, 5)."""
    return np.column_stack([booster.predict(rows, num_threads=1) for booster in boosters])
