"""One window as it would have run live: refit on the past, then band after band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext, Calibrator, ClosedLabel
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVELS
from contracts.model.spec import WARM_UP_BARS
from offline.baselines import Baseline, EwmaEcdf, HarRv
from offline.dataset import Dataset, Progress, no_progress
from offline.train import TrainedHead, TrainSettings, train
from offline.train.boosters import predict_levels
from offline.validate.online import Opening, fresh, serve_in_order, volatility_ratios
from offline.validate.served import Served, encoded
from offline.validate.windows import DAY, WalkForwardSettings, Window, training_rows

Array = NDArray[np.float64]


def serve_window(
    dataset: Dataset,
    histories: Sequence[History],
    window: Window,
    settings: WalkForwardSettings,
    train_settings: TrainSettings,
    earlier: Sequence[Served] = (),
    *,
    opening: Opening = fresh,
    progress: Progress = no_progress,
) -> Served:
    """Train at the window's start and predict its rows.

    `histories` are in the order of the dataset's symbols; `earlier` are the windows before, oldest
    first, whose labels may still be open. A symbol without a bar by the window's start is not served.

    Raises `ValueError` when there is too little to train on.
    """
    past = training_rows(dataset, window, settings)
    heads = trained(past, train_settings, progress, str(window))
    at = window_rows(dataset, histories, window)
    crossing, raw = predicted(heads, dataset.rows[at])
    # Ratios look back over all rows, so they are taken before the window is cut out.
    seen = dataset.close_time < window.stop
    ratios = np.ones(len(dataset))
    ratios[seen] = volatility_ratios(dataset.symbol[seen], dataset.sigma[seen])
    issued = np.empty_like(raw)
    ends: list[list[Calibrator | None]] = []
    for symbol in range(len(dataset.symbols)):
        mine = dataset.symbol[at] == symbol
        contexts = _contexts(dataset, at[mine], ratios)
        row: list[Calibrator | None] = []
        for h, head in enumerate(heads):
            previous = earlier[-1].calibrator(symbol, h) if earlier else None
            if not mine.any():
                row.append(previous)
                continue
            horizon = HORIZONS[h]
            issued[mine, h], end = serve_in_order(
                opening(head.head.calibrator, previous),
                _still_open(dataset, earlier, symbol, h, window.start, ratios),
                raw[mine, h],
                contexts,
                dataset.targets(horizon)[at[mine]],
                horizon,
                window.stop,
            )
            row.append(end)
        ends.append(row)
    return Served(
        dataset.symbol[at],
        dataset.close_time[at],
        crossing,
        raw,
        issued,
        baseline_quantiles(HarRv(), dataset, histories, at, window, settings),
        baseline_quantiles(EwmaEcdf(), dataset, histories, at, window, settings),
        encoded(ends),
    )


def trained(past: Dataset, settings: TrainSettings, progress: Progress, what: str) -> tuple[TrainedHead, ...]:
    """Train as `bands train` does; an error names what was being trained and what to change."""
    try:
        return train(past, settings, progress)
    except ValueError as error:
        times = len(np.unique(past.close_time))
        raise ValueError(
            f"{error}; this was {what}, which has {times:,} bars to train {settings.folds} folds on: choose "
            "a longer --window, a later --start, more history, or fewer folds (train.folds in the settings)"
        ) from error


def predicted(heads: Sequence[TrainedHead], rows: Array) -> tuple[NDArray[np.bool_], Array]:
    """Crossing of the learned quantiles (n, 4), and the blended, rearranged ones (n, 4, 5)."""
    crossing = np.zeros((len(rows), len(heads)), dtype=bool)
    raw = np.empty((len(rows), len(heads), len(LEVELS)))
    if len(rows):
        for h, head in enumerate(heads):
            learned = predict_levels(head.boosters, rows)
            crossing[:, h] = (np.diff(learned, axis=1) < 0).any(axis=1)
            raw[:, h] = head.head.standardised(learned)
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


def _contexts(dataset: Dataset, at: NDArray[np.int64], ratios: Array) -> list[BandContext]:
    pairs = zip(dataset.close_time[at].tolist(), ratios[at].tolist(), strict=True)
    return [BandContext(close, ratio) for close, ratio in pairs]


def _still_open(
    dataset: Dataset, earlier: Sequence[Served], symbol: int, h: int, start: int, ratios: Array
) -> list[ClosedLabel]:
    """Labels of earlier bands of a symbol that close after `start`, in closing order."""
    reach = HORIZONS[h] * BAR_SECONDS
    found = []
    for served in earlier:
        if not len(served) or int(served.close_time[-1]) + reach <= start:
            continue
        mine = np.flatnonzero((served.symbol == symbol) & (served.close_time + reach > start))
        rows = np.flatnonzero(dataset.symbol == symbol)
        rows = rows[np.searchsorted(dataset.close_time[rows], served.close_time[mine])]
        labels = dataset.targets(HORIZONS[h])[rows]
        for number, label, context in zip(mine, labels, _contexts(dataset, rows, ratios), strict=True):
            if np.isfinite(label):
                raw, issued = served.raw[number, h].tolist(), served.issued[number, h].tolist()
                closed_at = context.close_time + reach
                found.append(ClosedLabel(tuple(raw), tuple(issued), float(label), context, closed_at))
    return found
