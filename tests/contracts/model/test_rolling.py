"""Rolling CQR: the window by closing time, what holds until it fills, and its coverage."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from contracts.model.conformal import (
    BandContext,
    CalibratorError,
    ClosedLabel,
    RollingCQR,
    SplitCQR,
    calibrator_from_json,
    conformity_scores,
    finite_sample_rank,
    q_hat,
)
from contracts.model.grid import BAR_SECONDS, LEVELS

LEVEL = tuple(float(x) for x in stats.norm.ppf(LEVELS))
DAY = 24 * 3600
REJECT_BELOW = 1e-4  # the rate at which a correct calibrator is rejected; the seeds are fixed


def fresh(**options: Any) -> RollingCQR:
    y = np.random.default_rng(1).normal(size=200)
    return RollingCQR.calibrate(np.tile(LEVEL, (200, 1)), y, **{"window_days": 30, **options})


def label(y: float, closed_at: int, quantiles: tuple[float, ...] = LEVEL) -> ClosedLabel:
    return ClosedLabel(quantiles, quantiles, y, BandContext(closed_at - 42 * BAR_SECONDS, 1.0), closed_at)


def test_q_hat_is_that_of_the_labels_closed_within_the_window() -> None:
    # The slow oracle: every label so far, filtered by its closing time, ranked anew.
    rng = np.random.default_rng(30)
    calibrator, seen = fresh(min_scores=20), []
    at = 10**9
    for _ in range(600):
        at += int(rng.choice([0, 1, 1, 1, 1, 9], p=[0.1, 0.2, 0.2, 0.2, 0.2, 0.1])) * BAR_SECONDS
        seen.append((at, float(rng.normal())))
        calibrator = calibrator.update(label(seen[-1][1], at))
        window = [y for closed_at, y in seen if closed_at > at - 30 * DAY][-180:]
        assert len(calibrator.closed_at) == len(window)
        if len(window) >= 20:
            rows = np.tile(LEVEL, (len(window), 1))
            assert calibrator.q_hat[0.90] == q_hat(conformity_scores(rows, window, 0.90), 0.1)
            assert calibrator.q_hat[0.50] == q_hat(conformity_scores(rows, window, 0.50), 0.5)


def test_until_the_window_holds_enough_the_start_is_in_force_and_again_after_a_gap() -> None:
    calibrator = fresh(min_scores=30)
    start = calibrator.start.q_hat
    for i in range(30):
        assert not calibrator.is_warm
        assert calibrator.q_hat == start
        calibrator = calibrator.update(label(9.0, 10**9 + i * BAR_SECONDS))
    assert calibrator.is_warm
    assert calibrator.q_hat[0.90] > 5 > start[0.90]
    later = calibrator.update(label(9.0, 10**9 + 60 * DAY))
    assert len(later.closed_at) == 1
    assert later.q_hat == start


def test_a_label_leaves_exactly_when_it_is_a_window_old() -> None:
    calibrator = fresh().update(label(0.0, 10**9))
    assert len(calibrator.update(label(0.0, 10**9 + 30 * DAY - 1)).closed_at) == 2
    assert len(calibrator.update(label(0.0, 10**9 + 30 * DAY)).closed_at) == 1


def test_the_state_is_bounded() -> None:
    calibrator = fresh(min_scores=9, max_scores=12)
    for i in range(40):
        calibrator = calibrator.update(label(float(i), 10**9))
    assert len(calibrator.closed_at) == 12
    assert calibrator.outer_scores[-1] == 39.0 - LEVEL[4]
    full = fresh(window_days=365)
    assert (full.min_scores, full.max_scores) == (1095, 2190)


def test_coverage_of_the_window_follows_its_beta_law() -> None:
    # Constant quantiles and exchangeable labels: after each disjoint window the coverage is known exactly.
    rng = np.random.default_rng(60)
    n = 60
    found = []
    for _ in range(400):
        calibrator = fresh(min_scores=n, max_scores=n)
        for i in range(n):
            calibrator = calibrator.update(label(float(rng.normal()), 10**9 + i * BAR_SECONDS))
        band = calibrator.interval(LEVEL)
        found.append(stats.norm.cdf(band[4]) - stats.norm.cdf(band[0]))
    k = finite_sample_rank(n, 0.1)
    assert stats.kstest(found, stats.beta(k, n + 1 - k).cdf).pvalue > REJECT_BELOW


def test_it_recovers_one_window_after_a_volatility_shift() -> None:
    rng = np.random.default_rng(15)
    calibrator = fresh()
    for i in range(400):
        calibrator = calibrator.update(label(1.5 * float(rng.normal()), 10**9 + i * BAR_SECONDS))
    new = np.abs(1.5 * rng.normal(size=20_000))
    rolled = np.mean(new <= LEVEL[4] + calibrator.q_hat[0.90])
    still = np.mean(new <= LEVEL[4] + calibrator.start.q_hat[0.90])
    # 180 scores give coverage a standard deviation of 2.2 points; 4 of them.
    assert still < 0.80
    assert abs(rolled - 0.9) < 0.09


lessons = st.lists(
    st.tuples(st.integers(0, 40), st.floats(-5, 5), st.lists(st.floats(-3, 3), min_size=5, max_size=5)),
    max_size=40,
)


@settings(max_examples=50)
@given(lessons, st.integers(0, 40), st.floats(-9, 9))
def test_an_interruption_anywhere_changes_nothing(
    steps: list[tuple[int, float, list[float]]], pause: int, other: float
) -> None:
    at, whole = 10**9, [fresh(min_scores=9)]
    parts = whole[0]
    for i, (bars, y, quantiles) in enumerate(steps):
        at += bars * BAR_SECONDS
        lesson = label(y, at, tuple(sorted(quantiles)))
        if i == pause:
            restored = calibrator_from_json(json.loads(json.dumps(parts.to_json(), allow_nan=False)))
            assert isinstance(restored, RollingCQR)
            parts = restored
        whole.append(whole[-1].update(lesson))
        parts = parts.update(lesson)
    assert parts == whole[-1]
    assert parts.q_hat == whole[-1].q_hat
    before = whole[-1].to_json()
    whole[-1].update(label(other, at))  # what comes later leaves every earlier state as it was
    assert whole[-1].to_json() == before
    band = parts.interval(LEVEL)
    assert (np.diff(band) >= 0).all()


@pytest.mark.parametrize(
    "outcome",
    [
        ClosedLabel(LEVEL, LEVEL, 0.0, BandContext(10**9, 1.0), 10**9),  # closed with its own bar
        label(0.0, 10**9 - 1),  # before the newest
        label(math.nan, 10**9),
        label(0.0, 10**9, (1.0, 0.0, 0.0, 0.0, 0.0)),
        label(0.0, 10**9, (math.nan,) * 5),
    ],
)
def test_labels_that_are_not_closed_in_order_or_do_not_score_are_refused(outcome: ClosedLabel) -> None:
    calibrator = fresh().update(label(0.0, 10**9))
    with pytest.raises(CalibratorError, match="Expected"):
        calibrator.update(outcome)


@pytest.mark.parametrize(
    "options",
    [{"window_days": 45}, {"window_days": True}, {"min_scores": 8}, {"min_scores": 20, "max_scores": 19}],
)
def test_windows_that_can_not_work_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        fresh(**options)


GOOD: dict[str, Any] = {
    "method": "rolling_cqr",
    "start": SplitCQR(0.5, 0.1, 99).to_json(),
    "window_days": 30,
    "min_scores": 9,
    "max_scores": 180,
    "closed_at": [10, 20],
    "scores": {"0.90": [0.5, 0.25], "0.50": [1.5, 1.0]},
}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "split_cqr"},
        {"start": None},
        {"window_days": 31},
        {"window_days": "30"},
        {"min_scores": 1},
        {"max_scores": 1.0},
        {"closed_at": [20, 10]},
        {"closed_at": [10, 10 + 30 * DAY]},
        {"closed_at": [10.0, 20.0]},
        {"closed_at": [10]},
        {"closed_at": "ab"},
        {"scores": {"0.90": [0.5, 0.25]}},
        {"scores": {"0.90": [0.5], "0.50": [1.5, 1.0]}},
        {"scores": {"0.90": [0.5, math.inf], "0.50": [1.5, 1.0]}},
        {"scores": {"0.90": [1, 2], "0.50": [1.5, 1.0]}},
        {"scores": None},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    assert RollingCQR.from_json(GOOD).to_json() == GOOD
    with pytest.raises(CalibratorError, match="Expected"):
        RollingCQR.from_json({**GOOD, **change})
