"""Two-speed CQR: the slow part keeps the long-run promise, the recent part reacts and forgets."""

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
    TwoSpeedCQR,
)
from tests.contracts.model.labels import live
from tests.contracts.model.trackers import (
    FLAT,
    STALE,
    UNJUDGEABLE,
    assert_covers_in_the_long_run,
    assert_goes_on_after_a_pause,
    assert_refuses,
    fitted,
    labels,
    lesson,
    rows,
)


@pytest.mark.parametrize("kind", ["exchangeable", "overlapping", "cycles", "adversary"])
def test_long_run_coverage_is_within_its_bound_without_any_assumption(kind: str) -> None:
    step, gain = 0.02, 1.0
    start = TwoSpeedCQR(0.0, 0.0, step=step, inner_step=step, gain=gain, memory=60)
    assert_covers_in_the_long_run(start, step, kind, slow_part, gain)


def slow_part(calibrator: TwoSpeedCQR) -> dict[float, float]:
    """What telescopes, whatever is recent."""
    return {0.90: calibrator.outer, 0.50: calibrator.inner}


def test_misses_widen_at_once_and_are_forgotten_at_the_rate_of_its_memory() -> None:
    calibrator = TwoSpeedCQR(0.2, 0.0, gain=0.5, memory=100)
    for at in range(100):
        calibrator = calibrator.update(lesson(at, 3.0))
    # 0.9 (1 - e^-1) of excess misses, as many as a memory holds, and the slow part's hundred steps
    risen = 0.2 + 100 * 0.9 * calibrator.step + 0.5 * 0.9 * (1 - 0.99**100)
    assert calibrator.q_hat[0.90] == pytest.approx(risen)
    above = [calibrator.recent + 0.1]
    for at in range(100, 300):
        calibrator = calibrator.update(lesson(at, 0.0))
        above.append(calibrator.recent + 0.1)
    assert above[100] / above[0] == pytest.approx(0.99**100)
    assert above[200] / above[0] == pytest.approx(0.99**200)


def test_the_inner_interval_hears_nothing_of_the_recent_part() -> None:
    y = np.random.default_rng(5).standard_t(4, size=500)
    two, _ = live(TwoSpeedCQR(0.0, 0.1, inner_step=0.01, gain=2.0), y)
    plain, _ = live(AdaptiveCQR(0.0, 0.1, step=0.01), y)
    assert two.q_hat[0.50] == plain.q_hat[0.50]


def test_rested_it_keeps_what_it_learned_slowly_and_nothing_else_of_the_past() -> None:
    y = 1.5 * np.random.default_rng(6).normal(size=500)
    busy, _ = live(TwoSpeedCQR(0.0, 0.0), y)
    assert isinstance(busy, TwoSpeedCQR)
    assert busy.recent != 0
    told = busy.rested().to_json()
    assert told == busy.to_json() | {"recent": 0.0}


def test_it_starts_from_split() -> None:
    q, y = fitted()
    assert TwoSpeedCQR.calibrate(q, y).q_hat == SplitCQR.calibrate(q, y).q_hat
    with pytest.raises(CalibratorError, match="at least 9 scores"):
        TwoSpeedCQR.calibrate(q[:8], y[:8])


def test_a_miss_is_judged_against_the_issued_band_and_its_edge_is_a_hit() -> None:
    issued = (-4.0, -3.0, 0.0, 3.0, 4.0)
    start = TwoSpeedCQR(0.0, 0.0, step=0.01, inner_step=0.02, gain=1.0, memory=10)
    for y, outer, inner in ((2.5, -0.011, -0.01), (-4.0, -0.011, 0.01), (-4.5, 0.099, 0.01)):
        moved = start.update(ClosedLabel(FLAT, issued, y, BandContext(0, 1.0), closed_at=1)).q_hat
        assert moved == pytest.approx({0.90: outer, 0.50: inner})


@settings(max_examples=60)
@given(
    st.lists(st.tuples(rows, labels, st.just(1.0)), max_size=30),
    st.integers(0, 30),
    st.floats(0.001, 0.1),
    st.floats(0.01, 10.0),
    st.integers(1, 500),
    st.floats(-5, 5),
    st.floats(-5, 5),
)
def test_an_interruption_anywhere_changes_nothing_and_bands_stay_nested(
    lessons: list[tuple[list[float], float, float]],
    pause: int,
    step: float,
    gain: float,
    memory: int,
    outer: float,
    inner: float,
) -> None:
    start = TwoSpeedCQR(outer, inner, step, step, gain, memory)
    assert_goes_on_after_a_pause(start, lessons, pause)


@pytest.mark.parametrize(("memory", "y"), [(m, y) for m in (1, 2, 3, 7, 120) for y in (0.0, 9.0)])
def test_the_recent_part_never_leaves_its_range(memory: int, y: float) -> None:
    """For ever hit or for ever missed: rounding must not carry it over the edge that its state allows."""
    calibrator = TwoSpeedCQR(0.0, 0.0, memory=memory)
    for at in range(6000):
        calibrator = calibrator.update(lesson(at, y))
    assert -0.1 <= calibrator.recent <= 0.9
    assert calibrator.recent == pytest.approx(-0.1 if y == 0.0 else 0.9)


@given(st.floats(-0.1, 0.9), st.sampled_from([0.0, 9.0]), st.integers(1, 500))
def test_no_single_step_leaves_it_either(recent: float, y: float, memory: int) -> None:
    moved = TwoSpeedCQR(0.0, 0.0, memory=memory, recent=recent).update(lesson(0, y))
    assert -0.1 <= moved.recent <= 0.9


@pytest.mark.parametrize("outcome", [*UNJUDGEABLE, STALE])
def test_labels_that_can_not_be_judged_are_refused(outcome: ClosedLabel) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        TwoSpeedCQR(0.1, 0.1, last_closed_at=10**6).update(outcome)


GOOD: dict[str, Any] = {
    "method": "two_speed_cqr",
    "q_hat": {"0.90": 0.5, "0.50": 0.1},
    "step": 0.0001,
    "inner_step": 0.0005,
    "gain": 0.25,
    "memory": 120,
    "recent": 0.05,
    "last_closed_at": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "adaptive_cqr"},
        {"q_hat": {"0.90": 0.5}},
        {"q_hat": {"0.90": "inf", "0.50": 0.1}},
        {"q_hat": {"0.90": 1, "0.50": 0.1}},
        {"step": 0.0},
        {"step": 0.2},
        {"inner_step": math.nan},
        {"inner_step": "0.003"},
        {"gain": 0.0},
        {"gain": 1},
        {"gain": 11.0},
        {"gain": math.inf},
        {"memory": 0},
        {"memory": 120.0},
        {"recent": -0.2},
        {"recent": 0.95},
        {"recent": math.nan},
        {"recent": 0},
        {"last_closed_at": -1},
        {"last_closed_at": True},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    assert_refuses(GOOD, change)
