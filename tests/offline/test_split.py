from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.model.grid import BAR_SECONDS
from offline.split import Fold, forward_split, purge, purged_combinations, purged_kfold

# Rows of several symbols: times repeat, and come in any order.
issue_bars = st.lists(st.integers(0, 120), min_size=2, max_size=120)


def spans_meet(a: int, b: int, horizon: int) -> bool:
    """Whether the labels over (a, a + T] and (b, b + T] share a bar, bar by bar."""
    return bool(set(range(a + 1, a + horizon + 1)) & set(range(b + 1, b + horizon + 1)))


@given(issue_bars, st.integers(1, 15), st.integers(0, 120), st.integers(0, 40), st.integers(0, 5))
def test_purge_is_exactly_the_brute_force_rule(
    bars: list[int], horizon: int, start: int, length: int, embargo: int
) -> None:
    issued = np.array(bars, dtype=np.int64) * BAR_SECONDS
    kept = purge(issued, horizon, start * BAR_SECONDS, (start + length) * BAR_SECONDS, embargo)
    tested = range(start, start + length + 1)
    for bar, keep in zip(bars, kept, strict=True):
        clash = any(spans_meet(bar, test, horizon) for test in tested)
        embargoed = start + length + horizon <= bar < start + length + horizon + embargo
        assert keep == (not clash and not embargoed)


def assert_no_leak(fold: Fold, bars: list[int], horizon: int) -> None:
    assert len(fold.train_idx)
    assert len(fold.test_idx)
    train, test = {bars[i] for i in fold.train_idx}, {bars[i] for i in fold.test_idx}
    assert not any(spans_meet(a, b, horizon) for a in train for b in test)


@given(issue_bars, st.integers(1, 12), st.integers(2, 6), st.integers(0, 6))
def test_no_training_label_meets_a_test_label(
    bars: list[int], horizon: int, n_folds: int, embargo: int
) -> None:
    times = np.array(bars, dtype=np.int64) * BAR_SECONDS
    try:
        folds = purged_kfold(times, horizon, n_folds, embargo)
    except ValueError as error:
        assert "expected" in str(error)  # noqa: PT017 - the other way out, not the subject
        assume(False)
    assert len(folds) == n_folds
    tested = np.concatenate([fold.test_idx for fold in folds])
    assert sorted(tested.tolist()) == list(range(len(bars)))
    for fold in folds:
        assert_no_leak(fold, bars, horizon)
        first, last = times[fold.test_idx].min(), times[fold.test_idx].max()
        inside = (times >= first) & (times <= last)
        assert inside.sum() == len(fold.test_idx)


@given(issue_bars, st.integers(1, 6), st.integers(0, 3))
def test_combinations_do_not_leak_either(bars: list[int], horizon: int, embargo: int) -> None:
    try:
        folds = purged_combinations(np.array(bars) * BAR_SECONDS, horizon, 5, 2, embargo)
    except ValueError:
        assume(False)
    assert len(folds) == len(list(combinations(range(5), 2)))
    for fold in folds:
        assert_no_leak(fold, bars, horizon)


@given(issue_bars, st.integers(1, 15), st.integers(1, 120), st.none() | st.integers(1, 60))
def test_a_forward_split_knows_the_past_only(
    bars: list[int], horizon: int, start: int, window: int | None
) -> None:
    times = np.array(bars, dtype=np.int64) * BAR_SECONDS
    low = 0 if window is None else start - window
    train = [i for i, bar in enumerate(bars) if bar + horizon <= start and bar >= low]
    test = [i for i, bar in enumerate(bars) if start <= bar < start + 30]
    ends = (start * BAR_SECONDS, (start + 30) * BAR_SECONDS)
    if not train or not test:
        with pytest.raises(ValueError, match="found none"):
            forward_split(times, horizon, *ends, window_bars=window)
        return
    fold = forward_split(times, horizon, *ends, window_bars=window)
    assert (fold.train_idx.tolist(), fold.test_idx.tolist()) == (train, test)
    assert_no_leak(fold, bars, horizon)


def test_misuse_is_refused() -> None:
    times = np.arange(100) * BAR_SECONDS
    with pytest.raises(ValueError, match="found none after purging; use more history"):
        purged_kfold(times, 60, 3)
    with pytest.raises(ValueError, match="1 <= test groups < groups"):
        purged_kfold(times, 5, 1)
    with pytest.raises(ValueError, match="at least 200 distinct times"):
        purged_kfold(times, 5, 200)
    with pytest.raises(ValueError, match="test_start <= test_end"):
        purge(times, 5, 10, 5)
