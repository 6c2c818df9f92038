"""Boosters: with a base they learn what to add to it, without one the quantiles themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.metrics import pinball
from offline.train import TrainSettings
from offline.train.boosters import Cell, fit_cells, fit_levels, predict_levels

SETTINGS = TrainSettings(rounds=20, learning_rate=0.1, extra_trees=False)
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def sample() -> tuple[Array, Array, Array]:
    """Rows, targets and a base that differs by row, all in steps that single precision holds exactly."""
    stream = np.random.default_rng(4)
    rows = stream.standard_normal((1_200, 3))
    targets = np.round(64 * (rows[:, 0] + stream.standard_normal(1_200))) / 64
    own = np.quantile(targets, LEVELS)[None, :] + np.where(rows[:, 1:2] > 0, 0.5, -0.5)
    return rows, targets, np.round(64 * own) / 64


def test_a_base_is_learned_around(sample: tuple[Array, Array, Array]) -> None:
    """Learning what to add to a base is learning what the base leaves, level by level."""
    rows, targets, base = sample
    moves = predict_levels(fit_levels(Cell("", rows, targets, SETTINGS, base)), rows)
    for level in range(len(LEVELS)):
        left = targets - base[:, level]
        again = fit_levels(Cell("", rows, left, SETTINGS, np.zeros_like(base)))
        np.testing.assert_allclose(moves[:, level], predict_levels(again, rows)[:, level], atol=1e-9)


def test_a_correction_betters_its_base(sample: tuple[Array, Array, Array]) -> None:
    rows, targets, base = sample
    moves = predict_levels(fit_levels(Cell("", rows, targets, SETTINGS, base)), rows)
    assert pinball(targets, base + moves).mean() < 0.9 * pinball(targets, base).mean()


def test_without_rounds_to_learn_in_there_is_little_to_add(sample: tuple[Array, Array, Array]) -> None:
    """The quantiles themselves are of the targets' size from the first round, a correction is not."""
    rows, targets, base = sample
    one = TrainSettings(rounds=1, learning_rate=0.01)
    moves = predict_levels(fit_levels(Cell("", rows, targets, one, base)), rows)
    whole = predict_levels(fit_levels(Cell("", rows, targets, one)), rows)
    assert np.abs(moves).max() < 0.1
    np.testing.assert_allclose(whole.mean(axis=0), np.quantile(targets, LEVELS), atol=0.1)


def test_cells_keep_their_order_and_settings(sample: tuple[Array, Array, Array]) -> None:
    rows, targets, base = sample
    cells = [
        Cell(str(n), rows, targets, TrainSettings(rounds=n), base if n % 2 else None) for n in range(1, 6)
    ]
    told: list[tuple[int, int]] = []
    fitted = fit_cells(cells, threads=2, progress=lambda _, done, total: told.append((done, total)))
    assert [boosters[0].num_trees() for boosters in fitted] == [1, 2, 3, 4, 5]
    assert told == [(5 * n, 25) for n in range(1, 6)]
    for cell, boosters in zip(cells, fitted, strict=True):
        alone = predict_levels(fit_levels(cell), rows[:50])
        assert np.array_equal(predict_levels(boosters, rows[:50]), alone)
