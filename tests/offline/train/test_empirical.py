"""Partial pooling: between a symbol's own quantiles and everyone's, nearer its own the more rows it has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.train.empirical import POOLING_ROWS, shrunken_quantiles

Sample = tuple[NDArray[np.float64], NDArray[np.int64]]


@st.composite
def sample(draw: st.DrawFn) -> Sample:
    """Targets of three symbols, of which any may be without rows, in a mixed order."""
    counts = draw(st.lists(st.integers(0, 60), min_size=3, max_size=3).filter(any))
    stream = np.random.default_rng(draw(st.integers(0, 1_000)))
    symbol = stream.permutation(np.repeat(np.arange(3), counts))
    targets = stream.standard_t(3, len(symbol)) * (1 + symbol) + symbol
    return targets, symbol


@given(sample())
def test_it_is_the_weighted_mean_of_own_and_pooled(rows: Sample) -> None:
    targets, symbol = rows
    found = shrunken_quantiles(targets, symbol, 3)
    for number in range(3):
        own = sorted(t for t, s in zip(targets.tolist(), symbol.tolist(), strict=True) if s == number)
        for column, level in enumerate(LEVELS):
            pooled = interpolated(sorted(targets.tolist()), level)
            expected = pooled
            if own:
                mine = interpolated(own, level)
                expected = (len(own) * mine + POOLING_ROWS * pooled) / (len(own) + POOLING_ROWS)
            assert found[number, column] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def interpolated(ordered: list[float], level: float) -> float:
    """The linear interpolation of order statistics (Hyndman, Fan 1996, type 7)."""
    position = level * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


@given(sample())
def test_quantiles_ascend_and_lie_between_own_and_pooled(rows: Sample) -> None:
    targets, symbol = rows
    found = shrunken_quantiles(targets, symbol, 3)
    assert found.shape == (3, 5)
    assert (np.diff(found, axis=1) >= -1e-12).all()
    pooled = np.quantile(targets, LEVELS)
    for number in range(3):
        own = targets[symbol == number]
        mine = np.quantile(own, LEVELS) if len(own) else pooled
        assert (found[number] >= np.minimum(mine, pooled) - 1e-12).all()
        assert (found[number] <= np.maximum(mine, pooled) + 1e-12).all()


def test_a_symbol_without_rows_gets_the_pooled_quantiles() -> None:
    targets = np.random.default_rng(1).standard_normal(500)
    found = shrunken_quantiles(targets, np.repeat([0, 2], 250), 3)
    assert np.array_equal(found[1], np.quantile(targets, LEVELS))


def test_more_rows_count_for_more() -> None:
    """Half at ten thousand rows, and nearly all of it at a hundred times as many."""
    few, half = np.full(100, 5.0), np.full(POOLING_ROWS, 5.0)
    shares = []
    for own in (few, half):
        others = np.zeros(20 * len(own))
        symbol = np.repeat([0, 1], (len(own), len(others)))
        shares.append(shrunken_quantiles(np.concatenate((own, others)), symbol, 2)[0, 2] / 5.0)
    assert shares == pytest.approx([100 / 10_100, 0.5])
