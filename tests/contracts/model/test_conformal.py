"""Split CQR: exact ranks, the coverage law it promises, intervals in order, state in JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from contracts.model.conformal import (
    CalibratorError,
    SplitCQR,
    calibrator_from_json,
    conformity_scores,
    finite_sample_rank,
    nested,
    q_hat,
    register,
)
from contracts.model.grid import INTERVALS, LEVELS, MEDIAN

Rows = NDArray[np.float64]
FLAT = (-2.0, -1.0, 0.0, 1.0, 2.0)

ascending = st.lists(st.floats(-100, 100), min_size=5, max_size=5).map(sorted)
batches = st.lists(ascending, min_size=1, max_size=6).map(np.array)
widths = st.floats(-150, 150) | st.just(math.inf)

# --- ranks and scores ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "numerator"), [(0.1, 9), (0.5, 5), (0.3, 7), (0.7, 3), (0.9, 1)])
def test_the_rank_is_exact_for_every_n(alpha: float, numerator: int) -> None:
    for n in range(3000):
        rank = finite_sample_rank(n, alpha)
        assert rank == -((n + 1) * numerator // -10)  # the ceiling, in whole numbers
        assert Fraction(rank, n + 1) >= Fraction(numerator, 10) > Fraction(rank - 1, n + 1)


def test_floating_point_would_miss_ranks() -> None:
    naive = [n for n in range(3000) if math.ceil((n + 1) * (1 - 0.7)) != finite_sample_rank(n, 0.7)]
    assert naive


def test_a_level_may_be_written_in_any_exact_way() -> None:
    for alpha in (0.05, np.float64(0.05), Decimal("0.05"), Fraction(1, 20)):
        assert finite_sample_rank(99, alpha) == 95


@pytest.mark.parametrize(
    ("n", "alpha"), [(-1, 0.1), (9, 0.0), (9, 1.0), (9, -0.1), (9, math.nan), (9, math.inf), (9, True)]
)
def test_an_impossible_level_or_count_is_refused(n: int, alpha: float) -> None:
    with pytest.raises(CalibratorError, match="alpha in"):
        finite_sample_rank(n, alpha)


@given(
    hnp.arrays(np.float64, st.integers(0, 60), elements=st.floats(-9, 9)), st.sampled_from([0.1, 0.25, 0.5])
)
def test_q_hat_is_the_ranked_score_or_infinite(scores: Rows, alpha: float) -> None:
    before = scores.copy()
    rank = finite_sample_rank(len(scores), alpha)
    expected = sorted(scores.tolist())[rank - 1] if rank <= len(scores) else math.inf
    assert q_hat(scores, alpha) == expected
    assert np.array_equal(scores, before)


def test_nine_scores_are_just_enough_for_90_percent() -> None:
    assert q_hat(np.arange(8.0), 0.1) == math.inf
    assert q_hat(np.arange(9.0), 0.1) == 8.0


@pytest.mark.parametrize("scores", [[math.nan], [math.inf], [[1.0]], 1.0])
def test_scores_that_are_no_vector_of_numbers_are_refused(scores: Any) -> None:
    with pytest.raises(CalibratorError, match="finite scores"):
        q_hat(scores, 0.1)


@given(batches, st.data())
def test_a_score_is_the_widening_that_just_reaches_the_label(q: Rows, data: st.DataObject) -> None:
    y = np.array(data.draw(st.lists(st.floats(-100, 100), min_size=len(q), max_size=len(q))))
    for coverage, (low, high) in INTERVALS.items():
        for row, label, score in zip(q, y, conformity_scores(q, y, coverage), strict=True):
            assert score == max(row[low] - label, label - row[high])
            assert (score <= 0) == (row[low] <= label <= row[high])


def test_scores_of_misfits_are_refused() -> None:
    q = np.tile(FLAT, (3, 1))
    for quantiles, y, coverage, message in (
        (q, np.zeros(3), 0.8, "coverage of the grid"),
        (q, np.zeros(2), 0.9, "one label per row"),
        (q[:, :4], np.zeros(3), 0.9, "one label per row"),
        (q, np.array([0.0, math.nan, 0.0]), 0.9, "finite"),
        (np.full((3, 5), math.inf), np.zeros(3), 0.9, "finite"),
    ):
        with pytest.raises(CalibratorError, match=message):
            conformity_scores(quantiles, y, coverage)


# --- the coverage it promises --------------------------------------------------------------------------
# On exchangeable rows without ties the coverage given the calibration set is Beta(k, n + 1 - k) distributed
# with k the finite-sample rank (Vovk 2012), whatever the quantiles are worth. Each test below rejects a
# correct calibrator with probability 1e-4; the seeds are fixed, so it either always or never does.

REJECT_BELOW = 1e-4


def normal_rows(rng: np.random.Generator, n: int) -> tuple[Rows, Rows]:
    """Labels of changing scale with quantiles that know only half of it, so both q_hat matter."""
    scale = np.exp(rng.normal(size=n))
    level = stats.norm.ppf(LEVELS) * np.array([0.6, 1.4, 1.0, 1.4, 0.6])
    return np.sqrt(scale)[:, None] * np.sort(level), scale * rng.normal(size=n)


@pytest.mark.parametrize("n", [9, 40, 199])
@pytest.mark.parametrize("coverage", [0.90, 0.50])
def test_conditional_coverage_follows_its_beta_law(n: int, coverage: float) -> None:
    rng = np.random.default_rng(20_190_508 + n)
    low, high = INTERVALS[coverage]
    # The label is normal and the quantiles constant, so an interval's coverage is known exactly.
    level = stats.norm.ppf(LEVELS) * 0.8
    q = np.tile(level, (n, 1))
    found = []
    for _ in range(1500):
        band = SplitCQR.calibrate(q, rng.normal(size=n)).interval(level)
        found.append(stats.norm.cdf(band[high]) - stats.norm.cdf(band[low]))
    k = finite_sample_rank(n, 1 - Fraction(str(coverage)))
    assert stats.kstest(found, stats.beta(k, n + 1 - k).cdf).pvalue > REJECT_BELOW


@pytest.mark.parametrize("coverage", [0.90, 0.50])
def test_hits_on_new_rows_follow_the_beta_binomial_law(coverage: float) -> None:
    rng = np.random.default_rng(2012)
    n, m, repeats = 60, 30, 3000
    low, high = INTERVALS[coverage]
    counts = np.zeros(m + 1)
    for _ in range(repeats):
        q, y = normal_rows(rng, n + m)
        band = SplitCQR.calibrate(q[:n], y[:n]).interval(q[n:])
        counts[np.sum((band[:, low] <= y[n:]) & (y[n:] <= band[:, high]))] += 1
    k = finite_sample_rank(n, 1 - Fraction(str(coverage)))
    expected = repeats * stats.betabinom(m, k, n + 1 - k).pmf(np.arange(m + 1))
    rare = expected < 8  # too few for the chi-square law: one cell together
    observed = np.append(counts[~rare], counts[rare].sum())
    pooled = np.append(expected[~rare], expected[rare].sum())
    assert stats.chisquare(observed, pooled * observed.sum() / pooled.sum()).pvalue > REJECT_BELOW


def test_the_law_tells_a_rank_too_low_from_the_right_one() -> None:
    # The power behind the two tests above: forgetting the + 1 of n + 1 is rejected at n = 40.
    rng = np.random.default_rng(7)
    n = 40
    k = finite_sample_rank(n, 0.1)
    found = [2 * stats.norm.cdf(np.sort(np.abs(rng.normal(size=n)))[k - 2]) - 1 for _ in range(1500)]
    assert stats.kstest(found, stats.beta(k, n + 1 - k).cdf).pvalue < REJECT_BELOW


# --- intervals -----------------------------------------------------------------------------------------


@given(batches, widths, widths)
def test_intervals_are_in_order_and_no_narrower_than_their_own_width(
    q: Rows, outer: float, inner: float
) -> None:
    before = q.copy()
    band = nested(q, {0.90: outer, 0.50: inner})
    assert np.array_equal(q, before)
    assert not np.isnan(band).any()
    assert (band[:, 1:] >= band[:, :-1]).all()
    for coverage, width in ((0.90, outer), (0.50, inner)):
        low, high = INTERVALS[coverage]
        assert (band[:, low] <= q[:, low] - width).all() or width < 0
        own = np.column_stack([q[:, low] - width, q[:, high] + width])
        upright = own[:, 0] <= own[:, 1]
        assert (band[upright, low] <= own[upright, 0]).all()
        assert (band[upright, high] >= own[upright, 1]).all()
    inside = (q[:, MEDIAN] >= band[:, 1]) & (q[:, MEDIAN] <= band[:, 3])
    assert np.array_equal(band[inside, MEDIAN], q[inside, MEDIAN])


@given(batches, widths, widths, st.floats(0, 50), st.floats(0, 50))
def test_a_larger_q_hat_never_narrows(q: Rows, outer: float, inner: float, more: float, extra: float) -> None:
    band = nested(q, {0.90: outer, 0.50: inner})
    wider = nested(q, {0.90: outer + more, 0.50: inner + extra})
    assert (wider[:, :2] <= band[:, :2]).all()
    assert (wider[:, 3:] >= band[:, 3:]).all()


@given(batches)
def test_no_widening_changes_nothing(q: Rows) -> None:
    assert np.array_equal(nested(q, {0.90: 0.0, 0.50: 0.0}), q)


def test_an_interval_is_never_turned_inside_out() -> None:
    assert nested(FLAT, {0.90: -9.0, 0.50: -9.0}).tolist() == [0.0] * 5
    assert nested([0.0, 0.0, 0.0, 1.0, 4.0], {0.90: -9.0, 0.50: -9.0}).tolist() == [0.5, 0.5, 0.5, 0.5, 2.0]


def test_one_widening_per_row() -> None:
    band = nested([FLAT, FLAT], {0.90: np.array([0.0, 1.0]), 0.50: np.array([0.5, 0.0])})
    assert band.tolist() == [[-2.0, -1.5, 0.0, 1.5, 2.0], [-3.0, -1.0, 0.0, 1.0, 3.0]]


def test_too_few_scores_give_an_infinite_band() -> None:
    calibrator = SplitCQR.calibrate([FLAT] * 8, np.linspace(-3, 3, 8))
    assert calibrator.q_hat[0.90] == math.inf
    assert calibrator.n_scores == 8
    band = calibrator.interval(FLAT)
    assert band[0] == -math.inf
    assert band[4] == math.inf
    assert np.isfinite(band[1:4]).all()
    nothing = SplitCQR.calibrate(np.zeros((0, 5)), [])
    assert nothing.interval([FLAT, FLAT])[:, [0, 1, 3, 4]].tolist() == [[-math.inf] * 2 + [math.inf] * 2] * 2
    assert nothing.interval(FLAT)[MEDIAN] == 0.0


@pytest.mark.parametrize(
    ("quantiles", "message"),
    [
        ([0.0, -1.0, 0.0, 1.0, 2.0], "rearrange"),
        ([-1.0, 0.0, 0.0, 1.0, math.nan], "finite"),
        ([-math.inf, 0.0, 0.0, 1.0, 2.0], "only once"),
        ([0.0, 1.0, 2.0, 3.0], "shape"),
        ([[[0.0] * 5]], "shape"),
    ],
)
def test_quantiles_out_of_order_or_shape_are_refused(quantiles: Any, message: str) -> None:
    calibrator = SplitCQR(outer=0.1, inner=0.0, n_scores=99)
    with pytest.raises(CalibratorError, match=message):
        calibrator.interval(quantiles)
    with pytest.raises(CalibratorError):
        SplitCQR.calibrate([quantiles], [0.0])


# --- state ---------------------------------------------------------------------------------------------


def test_it_is_frozen() -> None:
    calibrator = SplitCQR(outer=0.1, inner=0.0, n_scores=99)
    with pytest.raises(dataclasses.FrozenInstanceError):
        calibrator.outer = 1.0  # type: ignore[misc]
    calibrator.q_hat[0.90] = 5.0
    assert calibrator.q_hat == {0.90: 0.1, 0.50: 0.0}


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(9, 10**9))
def test_json_gives_back_the_same(outer: float, inner: float, n: int) -> None:
    calibrator = SplitCQR(outer=outer, inner=inner, n_scores=n)
    text = json.dumps(calibrator.to_json(), allow_nan=False)
    assert SplitCQR.from_json(json.loads(text)) == calibrator
    assert calibrator_from_json(json.loads(text)) == calibrator


def test_infinity_is_written_as_text() -> None:
    calibrator = SplitCQR(outer=math.inf, inner=0.25, n_scores=8)
    state = calibrator.to_json()
    assert state == {"method": "split_cqr", "n_scores": 8, "q_hat": {"0.90": "inf", "0.50": 0.25}}
    assert SplitCQR.from_json(json.loads(json.dumps(state, allow_nan=False))) == calibrator


GOOD: dict[str, Any] = {"method": "split_cqr", "n_scores": 99, "q_hat": {"0.90": 0.5, "0.50": 0.1}}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "SplitCQR"},
        {"method": None},
        {"method": ["split_cqr"]},
        {"n_scores": -1},
        {"n_scores": 99.0},
        {"n_scores": True},
        {"n_scores": 8},  # too few for a finite q_hat
        {"q_hat": {"0.90": "inf", "0.50": 0.1}},  # too many for an infinite one
        {"q_hat": {"0.90": 0.5}},
        {"q_hat": {"0.90": 0.5, "0.50": 0.1, "0.80": 0.3}},
        {"q_hat": {"0.90": "0.5", "0.50": 0.1}},
        {"q_hat": {"0.90": 1, "0.50": 0.1}},
        {"q_hat": {"0.90": math.nan, "0.50": 0.1}},
        {"q_hat": {"0.90": math.inf, "0.50": 0.1}},
        {"q_hat": {"0.90": True, "0.50": 0.1}},
        {"q_hat": [0.5, 0.1]},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        calibrator_from_json({**GOOD, **change})


@pytest.mark.parametrize("state", [None, [], "split_cqr", {}])
def test_no_state_at_all_is_refused(state: Any) -> None:
    with pytest.raises(CalibratorError, match=r"split_cqr.*found None"):
        calibrator_from_json(state)
    with pytest.raises(CalibratorError, match="fields"):
        SplitCQR.from_json(state)


def test_a_method_name_is_registered_once() -> None:
    with pytest.raises(CalibratorError, match="found 'split_cqr' of SplitCQR again"):
        register(SplitCQR)
