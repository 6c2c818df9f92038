"""Adaptive CQR: moves on closed labels only, by the step it says, to the coverage it promises."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model.conformal import (
    AdaptiveCQR,
    BandContext,
    Calibrator,
    CalibratorError,
    ClosedLabel,
    SplitCQR,
    calibrator_from_json,
)
from contracts.model.grid import BAR_SECONDS, INTERVALS
from tests.contracts.model.labels import ALPHA, DELAY, LEVEL, Rows, hits, live, returns


def fitted() -> tuple[Rows, Rows]:
    return np.tile(LEVEL, (500, 1)), np.random.default_rng(1).normal(size=500)


@pytest.mark.parametrize("kind", ["exchangeable", "overlapping", "cycles", "adversary"])
def test_long_run_coverage_is_within_its_bound_without_any_assumption(kind: str) -> None:
    # No error rate: the bound holds for every sequence of labels, so a failure is a fault.
    n, step = 8000, 0.02
    y = np.clip(returns(np.random.default_rng(2021), n, kind), -5, 5)
    start = AdaptiveCQR(0.0, 0.0, step=step)
    end, bands = live(start, y)
    taught = n - DELAY
    for coverage, alpha in ALPHA.items():
        low, _ = INTERVALS[coverage]
        b = 5 + abs(LEVEL[low])  # every score lies within [-b, b]
        covered = hits(bands, y, coverage)[:taught].mean()
        bound = (2 * b / step + DELAY + 1) / taught
        assert bound < 0.10
        assert abs(covered - (1 - alpha)) <= bound
        # The moves telescope: the miss rate can be read off the widening.
        assert 1 - covered == pytest.approx(alpha + end.q_hat[coverage] / (step * taught), abs=1e-9)


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
    flat, issued = (-2.0, -1.0, 0.0, 1.0, 2.0), (-4.0, -3.0, 0.0, 3.0, 4.0)
    start = AdaptiveCQR(0.0, 0.0, step=0.01)
    for y, outer, inner in ((2.5, -0.001, -0.005), (-4.0, -0.001, 0.005), (-4.5, 0.009, 0.005)):
        moved = start.update(ClosedLabel(flat, issued, y, at, closed_at=1)).q_hat
        assert moved == pytest.approx({0.90: outer, 0.50: inner})


lessons = st.lists(
    st.tuples(st.lists(st.floats(-3, 3), min_size=5, max_size=5).map(sorted), st.floats(-9, 9)), max_size=30
)


@settings(max_examples=60)
@given(lessons, st.integers(0, 30), st.floats(0.001, 0.1), st.floats(-5, 5), st.floats(-5, 5))
def test_an_interruption_anywhere_changes_nothing_and_bands_stay_nested(
    steps: list[tuple[list[float], float]], pause: int, step: float, outer: float, inner: float
) -> None:
    whole: Calibrator = AdaptiveCQR(outer, inner, step)
    parts = whole
    for i, (quantiles, y) in enumerate(steps):
        if i == pause:
            parts = calibrator_from_json(json.loads(json.dumps(parts.to_json(), allow_nan=False)))
        band = whole.interval(quantiles)
        assert (np.diff(band) >= 0).all()
        assert band.tobytes() == parts.interval(quantiles).tobytes()
        at = BandContext(i * BAR_SECONDS, 1.0)
        lesson = ClosedLabel(tuple(quantiles), tuple(band.tolist()), y, at, (i + DELAY) * BAR_SECONDS)
        whole, parts = whole.update(lesson), parts.update(lesson)
    assert parts == whole


BAND = (-2.0, -1.0, 0.0, 1.0, 2.0)


@pytest.mark.parametrize(
    "outcome",
    [
        ClosedLabel(BAND, BAND, 0.0, BandContext(10**6, 1.0), 10**6),  # closed with its own bar
        ClosedLabel(BAND, BAND, 0.0, BandContext(0, 1.0), 10**6 - 1),  # before the newest
        ClosedLabel(BAND, BAND, math.nan, BandContext(0, 1.0), 10**6),
        ClosedLabel(BAND, BAND, math.inf, BandContext(0, 1.0), 10**6),
        ClosedLabel(BAND, BAND[::-1], 0.0, BandContext(0, 1.0), 10**6),
        ClosedLabel(BAND, BAND[:4], 0.0, BandContext(0, 1.0), 10**6),
        ClosedLabel(BAND, (math.nan,) * 5, 0.0, BandContext(0, 1.0), 10**6),
    ],
)
def test_labels_that_can_not_be_judged_are_refused(outcome: ClosedLabel) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        AdaptiveCQR(0.1, 0.1, last_closed_at=10**6).update(outcome)


def test_too_few_scores_to_start_from_are_refused() -> None:
    with pytest.raises(CalibratorError, match="at least 9 scores"):
        AdaptiveCQR.calibrate([BAND] * 8, np.zeros(8))


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
    assert AdaptiveCQR.from_json(GOOD).to_json() == GOOD
    with pytest.raises(CalibratorError, match="Expected"):
        AdaptiveCQR.from_json({**GOOD, **change})
