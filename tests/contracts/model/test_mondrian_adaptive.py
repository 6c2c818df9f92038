"""Mondrian adaptive CQR: every regime's tracker learns from its own outcomes, the scarce ones together."""

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
    MondrianAdaptiveCQR,
    MondrianCQR,
)
from contracts.model.grid import INTERVALS
from tests.contracts.model.labels import ALPHA, DELAY, LEVEL, Rows, hits, live
from tests.contracts.model.trackers import (
    FLAT,
    UNJUDGEABLE,
    assert_goes_on_after_a_pause,
    assert_refuses,
    labels,
    lesson,
    rows,
)

EDGES = (0.8, 1.25)
TYPICAL = (0.5, 1.0, 2.0)  # a ratio inside each regime


def contexts(ratios: Any) -> list[BandContext]:
    return [BandContext(0, float(ratio)) for ratio in ratios]


def start(step: float = 0.02, *, scarce: tuple[int, ...] = ()) -> MondrianAdaptiveCQR:
    zero = AdaptiveCQR(0.0, 0.0, step)
    regimes = tuple(None if regime in scarce else zero for regime in range(3))
    return MondrianAdaptiveCQR(EDGES, regimes, zero)


def market(rng: np.random.Generator, n: int) -> tuple[Rows, Rows]:
    """Labels within [-5, 5] whose scale follows a ratio that wanders, and that ratio."""
    wander = np.convolve(rng.normal(size=n + 99), np.ones(100), "valid") / 10
    ratio = np.exp(0.5 * wander)
    return np.clip(ratio * rng.normal(size=n), -5, 5), ratio


def test_long_run_coverage_within_every_regime_is_within_its_bound() -> None:
    # No error rate: adaptive CQR's bound holds for every sequence of labels, so also for a regime's own.
    n, step = 24_000, 0.02
    y, ratios = market(np.random.default_rng(2003), n)
    end, bands = live(start(step), y, ratios=ratios)
    assert isinstance(end, MondrianAdaptiveCQR)
    taught = n - DELAY
    regime = np.searchsorted(EDGES, ratios, side="right")[:taught]
    for coverage, alpha in ALPHA.items():
        b = 5 + abs(LEVEL[INTERVALS[coverage][0]])
        for i, tracker in enumerate(end.regimes):
            assert tracker is not None
            own = hits(bands, y, coverage)[:taught][regime == i]
            bound = (2 * b / step + DELAY + 1) / len(own)
            assert bound < 0.13
            assert abs(own.mean() - (1 - alpha)) <= bound
            moved = tracker.q_hat[coverage] / (step * len(own))
            assert 1 - own.mean() == pytest.approx(alpha + moved, abs=1e-9)


def test_regimes_end_right_where_one_tracker_for_all_is_wrong_in_each() -> None:
    # Calm, normal and wild labels in turn. After 3,000 outcomes a regime is judged over about 3,000 more:
    # four binomial standard errors of 0.55 points reject a correct tracker below 1e-4; the seed is fixed.
    rng = np.random.default_rng(8)
    n = 18_000
    ratios = np.array(TYPICAL)[rng.integers(3, size=n)]
    y = ratios * rng.normal(size=n)
    _, own = live(start(0.01), y, ratios=ratios)
    _, one = live(AdaptiveCQR(0.0, 0.0, step=0.01), y)
    for ratio in TYPICAL:
        late = (ratios == ratio) & (np.arange(n) >= n // 2)
        assert abs(hits(own, y, 0.90)[late].mean() - 0.90) < 4 * math.sqrt(0.09 / late.sum())
        assert abs(hits(one, y, 0.90)[late].mean() - 0.90) > 0.05


def test_an_outcome_teaches_the_regime_that_issued_its_band_and_no_other() -> None:
    begun = start(0.01)
    for regime, ratio in enumerate(TYPICAL):
        taught = begun.update(lesson(0, 2.5, ratio))
        changed = [a != b for a, b in zip(taught.regimes, begun.regimes, strict=True)]
        assert changed == [i == regime for i in range(3)]
        assert taught.pooled == begun.pooled
        assert taught.q_hat_at(BandContext(0, ratio)) == pytest.approx({0.90: 0.009, 0.50: 0.005})


def test_scarce_regimes_share_the_pooled_tracker() -> None:
    begun = start(0.01, scarce=(0, 2))
    assert begun.fallback_regimes == (0, 2)
    taught = begun.update(lesson(0, 2.5, TYPICAL[0])).update(lesson(1, 2.5, TYPICAL[2]))
    calm, normal, wild = (taught.q_hat_at(one)[0.90] for one in contexts(TYPICAL))
    assert calm == wild == pytest.approx(0.018)
    assert normal == 0.0
    apart = taught.update(lesson(2, 2.5, TYPICAL[1]))
    assert apart.q_hat_at(BandContext(0, TYPICAL[0]))[0.90] == calm


def test_it_starts_from_mondrian_and_keeps_its_edges() -> None:
    rng = np.random.default_rng(3)
    ratios = np.array([0.5] * 200 + [1.0] * 200 + [2.0] * 50)
    q, y = np.tile(LEVEL, (450, 1)), ratios * rng.normal(size=450)
    still = MondrianCQR.calibrate(q, y, contexts(ratios), edges=EDGES)
    begun = MondrianAdaptiveCQR.calibrate(q, y, contexts(ratios), edges=EDGES)
    assert begun.edges == still.edges
    assert begun.fallback_regimes == still.fallback_regimes == (2,)
    assert np.array_equal(begun.interval(q, contexts(ratios)), still.interval(q, contexts(ratios)))
    for context in contexts((*TYPICAL, *EDGES)):
        assert begun.regime(context) == still.regime(context)
        assert begun.q_hat_at(context) == still.q_hat_at(context)


def test_q_hat_is_the_mean_of_the_regimes() -> None:
    regimes = (AdaptiveCQR(0.1, 0.0), AdaptiveCQR(0.2, 0.1), None)
    found = MondrianAdaptiveCQR(EDGES, regimes, AdaptiveCQR(0.6, 0.2)).q_hat
    assert found == pytest.approx({0.90: 0.3, 0.50: 0.1})


def test_too_few_scores_to_start_from_are_refused() -> None:
    with pytest.raises(CalibratorError, match="at least 9 scores"):
        MondrianAdaptiveCQR.calibrate([FLAT] * 8, np.zeros(8), contexts([1.0] * 8))
    with pytest.raises(CalibratorError, match="min_scores as a whole number >= 9"):
        MondrianAdaptiveCQR.calibrate([FLAT] * 99, np.zeros(99), contexts([1.0] * 99), min_scores=8)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(rows, labels, st.floats(0.1, 10.0)), max_size=30),
    st.integers(0, 30),
    st.sets(st.integers(0, 2)),
)
def test_an_interruption_anywhere_changes_nothing_and_bands_stay_nested(
    lessons: list[tuple[list[float], float, float]], pause: int, scarce: set[int]
) -> None:
    assert_goes_on_after_a_pause(start(0.1, scarce=tuple(scarce)), lessons, pause)


@pytest.mark.parametrize(
    "outcome", [*UNJUDGEABLE, lesson(0, 0.0, math.nan), lesson(0, 0.0, 0.0), lesson(0, 0.0, math.inf)]
)
def test_labels_that_can_not_be_judged_are_refused(outcome: ClosedLabel) -> None:
    with pytest.raises(CalibratorError, match="Expected"):
        start().update(outcome)


def test_labels_out_of_order_are_refused_across_regimes() -> None:
    taught = start().update(lesson(10, 0.0, TYPICAL[0]))
    with pytest.raises(CalibratorError, match="order of their closing"):
        taught.update(lesson(9, 0.0, TYPICAL[2]))


@pytest.mark.parametrize("context", [None, [], contexts([1.0]), BandContext(0, 1.0)])
def test_rows_without_a_regime_are_refused(context: Any) -> None:
    with pytest.raises(CalibratorError, match="BandContext"):
        start().interval([FLAT, FLAT], context)


TRACKER = AdaptiveCQR(0.5, 0.1).to_json()
GOOD: dict[str, Any] = {
    "method": "mondrian_adaptive_cqr",
    "edges": [1.0],
    "regimes": [TRACKER, None],
    "pooled": TRACKER,
    "last_closed_at": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "mondrian_cqr"},
        {"edges": [1.0, 2.0]},
        {"edges": [math.nan]},
        {"edges": [1]},
        {"edges": [2.0, 1.0], "regimes": [TRACKER] * 3},
        {"regimes": [TRACKER]},
        {"regimes": None},
        {"regimes": [TRACKER, {}]},
        {"pooled": None},
        {"last_closed_at": -1},
        {"last_closed_at": 1.5},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    assert_refuses(GOOD, change)
