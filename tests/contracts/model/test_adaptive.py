"""Adaptive CQR: moves on closed labels only, by the step it says, to the coverage it promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model.conformal import (
    AdaptiveCQR,
    BandContext,
    CalibratorError,
    ClosedLabel,
    SplitCQR,
)
from tests.contracts.model.labels import DELAY, hits, live
from tests.contracts.model.trackers import (
    FLAT,
    STALE,
    UNJUDGEABLE,
    assert_covers_in_the_long_run,
    assert_goes_on_after_a_pause,
    assert_refuses,
    fitted,
    labels,
    rows,
)


@pytest.mark.parametrize("kind", ["exchangeable", "overlapping", "cycles", "adversary"])
def test_long_run_coverage_is_within_its_bound_without_any_assumption(kind: str) -> None:
    step = 0.02
    assert_covers_in_the_long_run(AdaptiveCQR(0.0, 0.0, step), step, kind, lambda end: end.q_hat)


def test_a_well_calibrated_start_stays_so_at_the_default_step() -> None:
    # Exchangeable labels, seed fixed: over 6,000 outcomes the binomial standard error is 0.39 and 0.65
    # points, which the feedback only lowers; four of them reject a correct tracker below 1e-4.
    y = np.random.default_rng(7).normal(size=6000)
    _, bands = live(AdaptiveCQR(0.0, 0.0), y)
    assert abs(hits(bands, y, 0.90).mean() - 0.90) < 4 * math.sqrt(0.09 / 6000)
    assert abs(hits(bands, y, 0.50).mean() - 0.50) < 4 * math.sqrt(0.25 / 6000)


def test_coverage_recovers_after_a_volatility_shift_while_split_stays_wrong() -> None:
    # Volatility x 1.5 from the start of the run: split covers 73 % for good. The tracker closes the gap at
    # a rate of step * 0.29 an outcome at first; the last 3,000 of 9,000 are judged, 4 standard errors wide.
    y = 1.5 * np.random.default_rng(15).normal(size=9000)
    _, adaptive = live(AdaptiveCQR.calibrate(*fitted()), y)
    _, split = live(SplitCQR.calibrate(*fitted()), y)
    last = slice(6000, None)
    assert hits(split[last], y[last], 0.90).mean() < 0.78
    assert hits(split[last], y[last], 0.50).mean() < 0.42
    assert abs(hits(adaptive[last], y[last], 0.90).mean() - 0.90) < 4 * math.sqrt(0.09 / 3000)
    assert abs(hits(adaptive[last], y[last], 0.50).mean() - 0.50) < 4 * math.sqrt(0.25 / 3000)


def test_bands_never_depend_on_labels_still_open() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=400)
    other = y.copy()
    other[200:] = 50 * rng.normal(size=200)
    start = AdaptiveCQR.calibrate(*fitted(), step=0.05)
    _, bands = live(start, y)
    _, others = live(start, other)
    first_lesson = 200 + DELAY
    assert np.array_equal(bands[:first_lesson], others[:first_lesson])
    assert not np.array_equal(bands[first_lesson:], others[first_lesson:])


def test_it_starts_from_split() -> None:
    assert AdaptiveCQR.calibrate(*fitted()).q_hat == SplitCQR.calibrate(*fitted()).q_hat


def test_a_miss_is_judged_against_the_issued_band_and_its_edge_is_a_hit() -> None:
    at = BandContext(0, 1.0)
    issued = (-4.0, -3.0, 0.0, 3.0, 4.0)
    start = AdaptiveCQR(0.0, 0.0, step=0.01)
    for y, outer, inner in ((2.5, -0.001, -0.005), (-4.0, -0.001, 0.005), (-4.5, 0.009, 0.005)):
        moved = start.update(ClosedLabel(FLAT, issued, y, at, closed_at=1)).q_hat
        assert moved == pytest.approx({0.90: outer, 0.50: inner})


@settings(max_examples=60)
@given(
    st.lists(st.tuples(rows, labels, st.just(1.0)), max_size=30),
    st.integers(0, 30),
    st.floats(0.001, 0.1),
    st.floats(-5, 5),
    st.floats(-5, 5),
)
def test_an_interruption_anywhere_changes_nothing_and_bands_stay_nested(
    lessons: list[tuple[list[float], float, float]], pause: int, step: float, outer: float, inner: float
) -> None:
    assert_goes_on_after_a_pause(AdaptiveCQR(outer, inner, step), lessons, pause)


@pytest.mark.parametrize("outcome", [*UNJUDGEABLE, STALE])
def test_labels_that_can_not_be_judged_are_refused(outcome: ClosedLabel) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        AdaptiveCQR(0.1, 0.1, last_closed_at=10**6).update(outcome)


def test_too_few_scores_to_start_from_are_refused() -> None:
    with pytest.raises(CalibratorError, match="at least 9 scores"):
        AdaptiveCQR.calibrate([FLAT] * 8, np.zeros(8))


GOOD: dict[str, Any] = {
    "method": "adaptive_cqr",
    "q_hat": {"0.90": 0.5, "0.50": 0.1},
    "step": 0.003,
    "last_closed_at": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "split_cqr"},
        {"q_hat": {"0.90": 0.5}},
        {"q_hat": {"0.90": "inf", "0.50": 0.1}},
        {"q_hat": {"0.90": math.inf, "0.50": 0.1}},
        {"q_hat": {"0.90": 1, "0.50": 0.1}},
        {"step": 0.0},
        {"step": 0.2},
        {"step": math.nan},
        {"step": "0.003"},
        {"last_closed_at": -1},
        {"last_closed_at": 1.5},
        {"last_closed_at": True},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    assert_refuses(GOOD, change)
