"""Splits by time that no label can leak through.

A band issued at the close t has a label over the span (t, t + T bars]. Two rows may be on different
sides of a split only if their spans do not meet, whatever their symbols: coins move together, so the
label of one is news about the label of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, iso


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to train on and to test on, both increasing."""

    train_idx: NDArray[np.int64]
    test_idx: NDArray[np.int64]


def purge(
    issued: NDArray[np.int64], horizon: int, test_start: int, test_end: int, embargo: int = 0
) -> NDArray[np.bool_]:
    """Which rows may train when the rows issued in [test_start, test_end] are tested, shape (n,).

    `issued` holds issue times, that is bar closes, in epoch seconds and any order; `horizon` and
    `embargo` count bars. A row stays when its label closes by `test_start`, or when it is issued after
    the last tested label has closed and `embargo` more bars have passed (features remember the test
    block; Lopez de Prado, Advances in Financial Machine Learning, 2018, ch. 7).

    Raises `ValueError` for a horizon below one bar, a negative embargo or an end before the start.

    >>> import numpy as np
    >>> hours = np.arange(0, 40, 4) * 3600
    >>> kept = purge(hours, horizon=2, test_start=16 * 3600, test_end=20 * 3600)
    >>> hours[kept] // 3600
    array([ 0,  4,  8, 28, 32, 36])
    """
    if horizon < 1 or embargo < 0 or test_end < test_start:
        raise ValueError(
            f"expected horizon >= 1, embargo >= 0 and test_start <= test_end, found {horizon}, {embargo}, "
            f"{iso(test_start)} and {iso(test_end)}"
        )
    before = issued + horizon * BAR_SECONDS <= test_start
    after = issued >= test_end + (horizon + embargo) * BAR_SECONDS
    kept: NDArray[np.bool_] = before | after
    return kept


def forward_split(
    close_times: NDArray[np.int64],
    horizon: int,
    test_start: int,
    test_end: int,
    *,
    window_bars: int | None = None,
) -> Fold:
    """Train on the past, test on the rows issued in [test_start, test_end), as it would have run live.

    Training labels close by `test_start`; with `window_bars` only rows issued in that many bars before
    it train. Times are epoch seconds. Raises `ValueError` when nothing is left to train or to test on.

    >>> import numpy as np
    >>> fold = forward_split(np.arange(8) * 14_400, 2, test_start=5 * 14_400, test_end=7 * 14_400)
    >>> fold.train_idx.tolist(), fold.test_idx.tolist()
    ([0, 1, 2, 3], [5, 6])
    """
    if test_end <= test_start:
        raise ValueError(f"expected test_start < test_end, found {iso(test_start)} and {iso(test_end)}")
    test = (close_times >= test_start) & (close_times < test_end)
    train = purge(close_times, horizon, test_start, test_end) & (close_times < test_start)
    if window_bars is not None:
        train &= close_times >= test_start - window_bars * BAR_SECONDS
    return _fold(train, test, close_times)


def purged_kfold(
    close_times: NDArray[np.int64], horizon: int, n_folds: int, embargo_bars: int = 0
) -> list[Fold]:
    """Cut the calendar into `n_folds` contiguous blocks, the same for all symbols, and test each in turn.

    `close_times` are the issue times of pooled rows in epoch seconds, repeated over symbols and in any
    order. Blocks hold equal numbers of distinct times. Raises `ValueError` for fewer than two folds,
    fewer distinct times than folds, or a fold whose purged training set is empty.

    >>> import numpy as np
    >>> folds = purged_kfold(np.arange(9) * 14_400, horizon=2, n_folds=3)
    >>> [(fold.train_idx.tolist(), fold.test_idx.tolist()) for fold in folds]
    [([4, 5, 6, 7, 8], [0, 1, 2]), ([0, 1, 7, 8], [3, 4, 5]), ([0, 1, 2, 3, 4], [6, 7, 8])]
    """
    return purged_combinations(close_times, horizon, n_folds, 1, embargo_bars)


def purged_combinations(
    close_times: NDArray[np.int64], horizon: int, n_groups: int, n_test_groups: int, embargo_bars: int = 0
) -> list[Fold]:
    """Combinatorial purged cross-validation: test every choice of `n_test_groups` calendar blocks.

    Lopez de Prado (2018), ch. 12. Blocks and errors are those of `purged_kfold`.
    """
    times = np.unique(close_times)
    if not 1 <= n_test_groups < n_groups:
        raise ValueError(
            f"expected 1 <= test groups < groups, found {n_test_groups} and {n_groups}; test on fewer blocks"
        )
    if len(times) < n_groups:
        raise ValueError(f"expected at least {n_groups} distinct times to split, found {len(times)}")
    blocks = [(int(block[0]), int(block[-1])) for block in np.array_split(times, n_groups)]
    folds = []
    for chosen in combinations(blocks, n_test_groups):
        train = np.ones(len(close_times), dtype=bool)
        test = np.zeros(len(close_times), dtype=bool)
        for start, end in chosen:
            train &= purge(close_times, horizon, start, end, embargo_bars)
            test |= (close_times >= start) & (close_times <= end)
        folds.append(_fold(train, test, close_times))
    return folds


def _fold(train: NDArray[np.bool_], test: NDArray[np.bool_], close_times: NDArray[np.int64]) -> Fold:
    if not test.any():
        raise ValueError("expected rows to test on, found none; the test span lies outside the data")
    if not train.any():
        first, last = int(close_times[test].min()), int(close_times[test].max())
        raise ValueError(
            f"expected rows to train on beside the test rows from {iso(first)} to {iso(last)}, found none "
            "after purging; use more history, fewer folds, or a shorter horizon or embargo"
        )
    return Fold(np.flatnonzero(train), np.flatnonzero(test))
