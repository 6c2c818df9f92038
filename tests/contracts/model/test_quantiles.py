"""Rearrangement, crossing rate and correction, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from contracts.model.grid import LEVELS, MEDIAN
from contracts.model.quantiles import correct, crossing_rate, rearrange

FINITE = st.floats(-1e6, 1e6)
Rows = NDArray[np.float64]
rows = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(len(LEVELS))), elements=FINITE)


@given(rows)
def test_rearrangement_sorts_a_copy_and_invents_nothing(q: Rows) -> None:
    before = q.copy()
    ordered = rearrange(q)
    assert np.array_equal(q, before)
    assert not np.shares_memory(ordered, q)
    assert (np.diff(ordered, axis=1) >= 0).all()
    assert [sorted(row) for row in q.tolist()] == ordered.tolist()
    assert np.array_equal(rearrange(ordered), ordered)
    assert all(np.array_equal(rearrange(row), ordered[i]) for i, row in enumerate(q))


@given(rows, rows)
def test_rearrangement_never_moves_away_from_ordered_quantiles(q: Rows, truth: Rows) -> None:
    # Chernozhukov, Fernandez-Val, Galichon 2010, proposition 4, here in the L2 norm.
    n = min(len(q), len(truth))
    true = np.sort(truth[:n], axis=1)
    after = ((rearrange(q[:n]) - true) ** 2).sum(axis=1)
    before = ((q[:n] - true) ** 2).sum(axis=1)
    assert (after <= before * (1 + 1e-12) + 1e-9).all()


@given(rows)
def test_the_crossing_rate_counts_the_rows_that_sorting_changes(q: Rows) -> None:
    changed = [row != sorted(row) for row in q.tolist()]
    assert crossing_rate(q) == pytest.approx(sum(changed) / len(changed))
    assert crossing_rate(rearrange(q)) == 0.0


def test_equal_neighbours_do_not_cross() -> None:
    assert crossing_rate(np.zeros((3, 5))) == 0.0


levels = hnp.arrays(np.float64, len(LEVELS), elements=FINITE)


@given(levels, rows, st.floats(0, 1), st.floats(0, 1))
def test_the_correction_is_its_formula(empirical: Rows, moves: Rows, weight: float, shrink: float) -> None:
    found = correct(empirical, moves, weight, shrink)
    for row, corrected in zip(moves, found, strict=True):
        for level in range(len(LEVELS)):
            expected = empirical[level] + weight * row[level]
            assert corrected[level] == (expected * (1 - shrink) if level == MEDIAN else expected)
    assert np.array_equal(found[0], correct(empirical, moves[0], weight, shrink))
    assert np.array_equal(found, correct(np.tile(empirical, (len(moves), 1)), moves, weight, shrink))


@given(levels, rows)
def test_no_weight_leaves_the_empirical_quantiles(empirical: Rows, moves: Rows) -> None:
    before = moves.copy(), empirical.copy()
    left = correct(empirical, moves, 0.0, 0.0)
    assert np.array_equal(left, np.broadcast_to(empirical, moves.shape))
    assert not np.shares_memory(left, empirical)
    assert np.array_equal(correct(empirical, moves, 1.0, 0.0), empirical + moves)
    mixed = correct(empirical, moves, [1.0, 0.0, 1.0, 0.0, 1.0], 1.0)
    assert np.array_equal(mixed[:, 0], empirical[0] + moves[:, 0])
    assert np.array_equal(mixed[:, 1], np.full(len(moves), empirical[1]))
    assert (mixed[:, MEDIAN] == 0).all()
    assert np.array_equal(moves, before[0])
    assert np.array_equal(empirical, before[1])


def test_every_row_may_correct_its_own_symbol() -> None:
    """Rows of two symbols in one batch get what each gets alone."""
    own = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0], [-3.0, -1.5, 0.2, 1.5, 3.0]])
    moves = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [-0.1, -0.2, -0.3, -0.4, -0.5]])
    both = correct(own, moves, 0.7, 0.5)
    for n in range(2):
        assert np.array_equal(both[n], correct(own[n], moves[n], 0.7, 0.5))


@pytest.mark.parametrize("shape", [(), (4,), (6,), (5, 4)])
def test_another_number_of_levels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected 5 levels"):
        rearrange(np.zeros(shape))


def test_misuse_is_refused() -> None:
    q = np.zeros((2, 5))
    with pytest.raises(ValueError, match="NaN in q"):
        rearrange([0.0, 1.0, np.nan, 2.0, 3.0])
    with pytest.raises(ValueError, match="at least one row"):
        crossing_rate(np.zeros((0, 5)))
    with pytest.raises(ValueError, match="at least one row"):
        crossing_rate(np.zeros(5))
    for weight in (-0.1, 1.1, np.nan, [0.5, 0.5]):
        with pytest.raises(ValueError, match="weight"):
            correct(q, q, weight, 0.0)
    for shrink in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="median_shrink"):
            correct(q, q, 1.0, shrink)
    with pytest.raises(ValueError, match="shape"):
        correct(np.zeros((3, 5)), q, 1.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        correct(np.full(5, np.inf), q, 1.0, 0.0)
