from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model.grid import LEVELS
from offline.market import MarketSpec, true_quantiles
from offline.metrics import (
    absolute_error,
    calibration_error,
    hits,
    information_coefficient,
    pinball,
    pit,
    width,
    winkler,
)

numbers = st.floats(-3, 3, allow_nan=False)
bands = st.lists(numbers, min_size=5, max_size=5).map(sorted)


@given(numbers, bands)
def test_scores_are_their_definitions(y: float, q: list[float]) -> None:
    for level, quantile, loss in zip(LEVELS, q, pinball([y], [q])[0], strict=True):
        expected = level * (y - quantile) if y >= quantile else (1 - level) * (quantile - y)
        assert loss == pytest.approx(expected, abs=1e-12)
    for coverage, low, high in ((0.9, q[0], q[4]), (0.5, q[1], q[3])):
        assert hits([y], [q], coverage)[0] == float(low <= y <= high)
        assert width([q], coverage)[0] == high - low
        # The interval score is the pinball losses of its two ends over alpha / 2 (Gneiting & Raftery, 2007).
        alpha = 1 - coverage
        ends = pinball([y], [[low, high]], levels=[alpha / 2, 1 - alpha / 2]).sum()
        assert winkler([y], [q], coverage)[0] == pytest.approx(ends / (alpha / 2), abs=1e-9)


def test_rows_without_label_or_band_score_nothing() -> None:
    good = [-2.0, -1.0, 0.0, 1.0, 2.0]
    y, q = [np.nan, 0.5, 0.5], [good, good, [np.nan] * 5]
    for score in (hits(y, q), winkler(y, q), pit(y, q), pinball(y, q).mean(axis=1)):
        np.testing.assert_array_equal(np.isnan(score), [True, False, True])
    assert calibration_error(y, q) == calibration_error([0.5], [good])
    assert np.isnan(calibration_error([np.nan], [good]))
    assert absolute_error([0.5, np.nan], [0.0, 0.0])[0] == 0.5


@given(numbers, bands)
def test_pit_is_a_rank(y: float, q: list[float]) -> None:
    rank = pit([y], [q])[0]
    assert 0 <= rank <= 1
    for level, quantile in zip(LEVELS, q, strict=True):
        if y < quantile:
            assert rank <= level + 1e-12
        if y > quantile:
            assert rank >= level - 1e-12


@given(bands, st.lists(numbers, min_size=2, max_size=2).map(sorted))
def test_pit_never_falls_when_the_outcome_rises(q: list[float], pair: list[float]) -> None:
    low, high = pit(pair, [q, q])
    assert low <= high + 1e-12


def test_pit_of_the_truth_is_uniform() -> None:
    spec = MarketSpec(
        jump_intensity=(0.0, 0.0), log_volatility_std=0.0, stressed_multiplier=1.0, n_vol_states=2
    )
    q = true_quantiles(spec, 1)[:1]
    y = spec.sigma[0] * np.random.default_rng(0).standard_normal(40_000)
    ranks = pit(y, np.repeat(q, len(y), axis=0))
    for level in LEVELS:
        assert (ranks <= level).mean() == pytest.approx(level, abs=0.008)
    # Between the levels it is not, as the docstring warns: of 20 bins of a normal law one holds 2.9 %.
    shares = np.histogram(ranks, bins=20, range=(0, 1))[0] / len(y)
    assert 0.027 < shares.min() < 0.032
    assert 0.067 < shares.max() < 0.073


def test_pit_on_a_collapsed_band() -> None:
    assert pit([0.0, -1.0, 1.0], [[0.0] * 5] * 3).tolist() == [0.95, 0.0, 1.0]
    with pytest.raises(ValueError, match=r"do not decrease, found .* in row 1"):
        pit([0.0, 0.0], [[0.0] * 5, [0.0, 1.0, 0.0, 2.0, 3.0]])


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"q of shape \(n, 5\), found \(2,\) and \(2, 4\)"):
        pinball([0, 0], np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"coverage of 0.9 or 0.5, found 0.8"):
        winkler([0], np.zeros((1, 5)), 0.8)


def test_the_information_coefficient_says_why_not() -> None:
    y = np.array([0.1, -0.2, 0.3, np.nan, 0.0])
    assert information_coefficient(y, -y).value == -1.0
    assert information_coefficient(y, np.zeros(5)).reason == "the median is constant"
    assert information_coefficient(np.zeros(5), y).reason == "the outcome is constant"
    assert information_coefficient(y[:2], y[:2]).reason == "only 2 rows have an outcome"
    assert information_coefficient([1, 2, 3, 4], [1, 1, 2, 2]).value == pytest.approx(0.894427191)
