"""Mondrian CQR: coverage within every regime, and a fallback that says so."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from contracts.model.conformal import (
    BandContext,
    CalibratorError,
    MondrianCQR,
    SplitCQR,
    calibrator_from_json,
    finite_sample_rank,
)
from contracts.model.grid import INTERVALS, LEVELS

Rows = NDArray[np.float64]
LEVEL = stats.norm.ppf(LEVELS)
EDGES = (0.8, 1.25)
TYPICAL = (0.5, 1.0, 2.0)  # a ratio inside each regime
REJECT_BELOW = 1e-4  # the rate at which each law below rejects a correct calibrator; the seeds are fixed


def contexts(ratios: Any) -> list[BandContext]:
    return [BandContext(0, float(ratio)) for ratio in ratios]


def market(rng: np.random.Generator, n: int) -> tuple[Rows, Rows, list[BandContext]]:
    """Labels whose scale follows the ratio, and quantiles that do not know it."""
    ratio = np.exp(rng.normal(scale=0.4, size=n))
    return np.tile(LEVEL, (n, 1)), ratio * rng.normal(size=n), contexts(ratio)


@pytest.mark.parametrize("coverage", [0.90, 0.50])
def test_coverage_of_each_regime_follows_its_own_beta_binomial_law(coverage: float) -> None:
    rng = np.random.default_rng(2003)
    per_regime, new, repeats = 40, 30, 1500
    low, high = INTERVALS[coverage]
    ratios = np.repeat(TYPICAL, per_regime)
    quantiles, where = np.tile(LEVEL, (len(ratios), 1)), contexts(ratios)
    counts = np.zeros((3, new + 1))
    for _ in range(repeats):
        y = ratios * rng.normal(size=len(ratios))
        calibrator = MondrianCQR.calibrate(quantiles, y, where, edges=EDGES, min_scores=per_regime)
        bands = calibrator.interval(quantiles[:3], contexts(TYPICAL))
        for regime, (ratio, band) in enumerate(zip(TYPICAL, bands, strict=True)):
            label = ratio * rng.normal(size=new)
            counts[regime, np.sum((band[low] <= label) & (label <= band[high]))] += 1
    k = finite_sample_rank(per_regime, 0.1 if coverage == 0.90 else 0.5)
    expected = repeats * stats.betabinom(new, k, per_regime + 1 - k).pmf(np.arange(new + 1))
    rare = expected < 8  # too few for the chi-square law: one cell together
    pooled = np.append(expected[~rare], expected[rare].sum())
    for observed in counts:
        cells = np.append(observed[~rare], observed[rare].sum())
        assert stats.chisquare(cells, pooled * cells.sum() / pooled.sum()).pvalue > REJECT_BELOW


def test_terciles_of_the_sample_cover_new_rows_of_each_regime() -> None:
    # One new row a sample, in each regime: hits are Bernoulli with the rank's probability, because the row
    # that sets an edge is left out of the regimes. 30 samples' rows leave 9 or 10 a regime.
    rng = np.random.default_rng(33)
    hits: dict[int, list[tuple[bool, float]]] = {0: [], 1: [], 2: []}
    for _ in range(4000):
        q, y, where = market(rng, 31)
        calibrator = MondrianCQR.calibrate(q[:30], y[:30], where[:30], min_scores=9)
        assert calibrator.fallback_regimes == ()
        regime = calibrator.regime(where[30])
        n = calibrator.regimes[regime].n_scores
        band = calibrator.interval(q[30], where[30])
        hits[regime].append((bool(band[1] <= y[30] <= band[3]), finite_sample_rank(n, 0.5) / (n + 1)))
    for found in hits.values():
        rate = np.mean([p for _, p in found])
        n_hits = sum(hit for hit, _ in found)
        assert stats.binomtest(n_hits, len(found), float(rate)).pvalue > REJECT_BELOW


def test_split_cqr_misses_within_regimes_where_mondrian_does_not() -> None:
    rng = np.random.default_rng(11)
    q, y, where = market(rng, 6000)
    mondrian, split = MondrianCQR.calibrate(q, y, where), SplitCQR.calibrate(q, y)
    wild = 2.0 * rng.normal(size=20_000)
    last = mondrian.regimes[2].q_hat[0.90]
    assert mondrian.q_hat_at(BandContext(0, 2.0))[0.90] == last
    covered = {
        name: np.mean(np.abs(wild) <= LEVEL[4] + width)
        for name, width in (("mondrian", last), ("split", split.q_hat[0.90]))
    }
    assert covered["split"] < covered["mondrian"] - 0.05


def test_terciles_are_thirds_and_live_in_the_state() -> None:
    rng = np.random.default_rng(5)
    q, y, where = market(rng, 3000)
    calibrator = MondrianCQR.calibrate(q, y, where)
    assert [own.n_scores for own in calibrator.regimes] == [1000, 999, 999]
    assert calibrator.pooled == SplitCQR.calibrate(q, y)
    assert calibrator.to_json()["edges"] == list(calibrator.edges)
    assert calibrator.edges == tuple(np.sort([one.volatility_ratio for one in where])[[1000, 2000]])


def test_a_ratio_on_an_edge_belongs_to_the_wilder_regime() -> None:
    q, y, where = market(np.random.default_rng(1), 300)
    calibrator = MondrianCQR.calibrate(q, y, where, edges=EDGES)
    found = [calibrator.regime(one) for one in contexts([0.79, 0.8, 1.24, 1.25])]
    assert found == [0, 1, 1, 2]


def test_a_scarce_regime_uses_the_pooled_q_hat_and_says_so() -> None:
    rng = np.random.default_rng(3)
    ratios = np.array([0.5] * 200 + [1.0] * 200 + [2.0] * 50)
    q = np.tile(LEVEL, (450, 1))
    calibrator = MondrianCQR.calibrate(q, ratios * rng.normal(size=450), contexts(ratios), edges=EDGES)
    assert calibrator.fallback_regimes == (2,)
    assert calibrator.q_hat_at(BandContext(0, 2.0)) == calibrator.pooled.q_hat == calibrator.q_hat
    assert calibrator.q_hat_at(BandContext(0, 0.5)) == calibrator.regimes[0].q_hat != calibrator.q_hat
    assert dataclasses.replace(calibrator, min_scores=50).fallback_regimes == ()


def test_nothing_to_fall_back_on_is_an_infinite_band() -> None:
    q, y, where = market(np.random.default_rng(1), 8)
    calibrator = MondrianCQR.calibrate(q, y, where)
    assert calibrator.fallback_regimes == (0, 1, 2)
    assert calibrator.interval(q[0], where[0])[[0, 4]].tolist() == [-math.inf, math.inf]
    empty = MondrianCQR.calibrate(np.zeros((0, 5)), [], [])
    assert (empty.edges, empty.fallback_regimes) == ((), (0,))


def test_equal_ratios_make_one_edge() -> None:
    q, y, _ = market(np.random.default_rng(1), 30)
    assert MondrianCQR.calibrate(q, y, contexts([1.0] * 30)).edges == (1.0,)


@given(
    st.lists(st.lists(st.floats(-9, 9), min_size=5, max_size=5).map(sorted), min_size=1, max_size=5),
    st.lists(st.floats(0.01, 100), min_size=5, max_size=5),
    st.integers(0, 120),
)
def test_bands_are_nested_around_the_median_and_survive_json(
    rows: list[list[float]], ratios: list[float], n: int
) -> None:
    q, y, where = market(np.random.default_rng(n), n)
    calibrator = MondrianCQR.calibrate(q, y, where, min_scores=12)
    restored = calibrator_from_json(json.loads(json.dumps(calibrator.to_json(), allow_nan=False)))
    assert restored == calibrator
    band = restored.interval(rows, contexts(ratios[: len(rows)]))
    assert (band[:, 1:] >= band[:, :-1]).all()
    assert np.isfinite(band[:, 2]).all()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "found None"),
        ([], "one BandContext per row"),
        (contexts([1.0]), "one BandContext per row"),
        (BandContext(0, 1.0), "one BandContext per row"),
        (contexts([1.0, math.nan]), "finite"),
        (contexts([1.0, 0.0]), "above 0"),
    ],
)
def test_rows_without_a_regime_are_refused(context: Any, message: str) -> None:
    q, y, where = market(np.random.default_rng(1), 300)
    calibrator = MondrianCQR.calibrate(q, y, where)
    with pytest.raises(CalibratorError, match=message):
        calibrator.interval(q[:2], context)


SPLIT = SplitCQR(0.5, 0.1, 99).to_json()
GOOD: dict[str, Any] = {
    "method": "mondrian_cqr",
    "edges": [1.0],
    "regimes": [SplitCQR(0.5, 0.1, 50).to_json(), SplitCQR(0.5, 0.1, 49).to_json()],
    "pooled": SPLIT,
    "min_scores": 20,
}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "split_cqr"},
        {"edges": [1.0, 2.0]},
        {"edges": [math.nan]},
        {"edges": [1]},
        {"edges": "1"},
        {"edges": [2.0, 1.0], "regimes": [SPLIT] * 3},
        {"regimes": [SPLIT]},
        {"regimes": [SPLIT, SPLIT]},  # more than the pooled scores
        {"regimes": None},
        {"pooled": None},
        {"min_scores": 0},
        {"min_scores": True},
        {"extra": 1},
    ],
)
def test_a_twisted_state_is_refused(change: dict[str, Any]) -> None:
    assert MondrianCQR.from_json(GOOD).to_json() == GOOD
    with pytest.raises(CalibratorError, match="Expected"):
        MondrianCQR.from_json({**GOOD, **change})
