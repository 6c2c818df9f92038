"""One window as it would have run live: refit on the past, then band after band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVELS
from contracts.model.quantiles import correct, rearrange
from contracts.model.spec import WARM_UP_BARS
from offline.baselines import Baseline, EwmaEcdf, HarRv
from offline.calibration import serve_in_order
from offline.calibration.held_out import contexts_of
from offline.dataset import Dataset, Progress, no_progress
from offline.train import TrainedHead, TrainPlan, train
from offline.train.boosters import predict_levels
from offline.validate.served import Served
from offline.validate.windows import DAY, WalkForwardSettings, Window, training_rows

Array = NDArray[np.float64]


def serve_window(
    dataset: Dataset,
    histories: Sequence[History],
    window: Window,
    settings: WalkForwardSettings,
    plan: TrainPlan,
    progress: Progress = no_progress,
) -> Served:
    """Train at the window's start and predict its rows.

    `histories` are in the order of the dataset's symbols. A symbol without a bar by the window's start is
    not served. Labels still open at the refit teach nobody: an outcome teaches only the bundle that issued
    the band.

    Raises `ValueError` when there is too little to train on.
    """
    past = training_rows(dataset, window, settings)
    heads = trained(past, plan, progress, str(window))
    at = window_rows(dataset, histories, window)
    crossing, raw = predicted(heads, dataset, at)
    issued = np.empty_like(raw)
    for symbol, name in enumerate(dataset.symbols):
        mine = dataset.symbol[at] == symbol
        contexts = contexts_of(dataset.close_time[at[mine]], dataset.volatility_ratio[at[mine]])
        for h, head in enumerate(heads):
            horizon = HORIZONS[h]
            issued[mine, h] = serve_in_order(
                head.head.calibrators[name],
                raw[mine, h],
                contexts,
                dataset.targets(horizon)[at[mine]],
                horizon,
                window.stop,
            )[0]
    return Served(
        dataset.symbol[at],
        dataset.close_time[at],
        crossing,
        raw,
        issued,
        baseline_quantiles(HarRv(), dataset, histories, at, window, settings),
        baseline_quantiles(EwmaEcdf(), dataset, histories, at, window, settings),
    )


def trained(past: Dataset, plan: TrainPlan, progress: Progress, what: str) -> tuple[TrainedHead, ...]:
    """Train as `bands train` does; an error names what was being trained and what to change."""
    try:
        return train(past, plan, progress)
    except ValueError as error:
        times = len(np.unique(past.close_time))
        raise ValueError(
            f"{error}; this was {what}, which has {times:,} bars to train {plan.folds} folds on: choose "
            "a longer --window, a later --start, more history, or fewer folds (train.folds in the settings)"
        ) from error


def predicted(
    heads: Sequence[TrainedHead], dataset: Dataset, at: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], Array]:
    """For the rows `at`: whether corrected quantiles cross (n, 4), and what rearrangement makes (n, 4, 5)."""
    crossing = np.zeros((len(at), len(heads)), dtype=bool)
    raw = np.empty((len(at), len(heads), len(LEVELS)))
    if len(at):
        for h, trained_head in enumerate(heads):
            head = trained_head.head
            base = np.array([head.empirical[name] for name in dataset.symbols])[dataset.symbol[at]]
            moves = predict_levels(trained_head.boosters, dataset.rows[at])
            corrected = correct(base, moves, head.weight, head.median_shrink)
            crossing[:, h] = (np.diff(corrected, axis=1) < 0).any(axis=1)
            raw[:, h] = rearrange(corrected)
    return crossing, raw


def window_rows(dataset: Dataset, histories: Sequence[History], window: Window) -> NDArray[np.int64]:
    """Rows issued in the window, of the symbols the bundle of its start would have known."""
    known = [
        len(history) > 0 and int(history.open_time[0]) + BAR_SECONDS <= window.start for history in histories
    ]
    inside = (dataset.close_time >= window.start) & (dataset.close_time < window.stop)
    return np.flatnonzero(inside & np.array(known)[dataset.symbol])


def baseline_quantiles(
    baseline: Baseline,
    dataset: Dataset,
    histories: Sequence[History],
    at: NDArray[np.int64],
    window: Window,
    settings: WalkForwardSettings,
) -> Array:
    """A baseline refitted on the same window, on the rows `at`: (n, 4, 5), NaN without enough labels."""
    oldest = None
    if settings.window_days is not None:
        oldest = window.start - settings.window_days * DAY - WARM_UP_BARS * BAR_SECONDS
    answer = np.full((len(at), len(HORIZONS), len(LEVELS)), np.nan)
    for symbol, whole in enumerate(histories):
        mine = np.flatnonzero(dataset.symbol[at] == symbol)
        if not len(mine):
            continue
        history = whole.between(oldest, window.stop)
        where = np.searchsorted(history.open_time + BAR_SECONDS, dataset.close_time[at[mine]])
        for h, horizon in enumerate(HORIZONS):
            try:
                fitted = baseline.fit(history, horizon, window.start)
            except ValueError:  # a young symbol: too few closed labels
                continue
            answer[mine, h] = fitted.quantiles(history)[where]
    return answer
