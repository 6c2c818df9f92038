"""What learning online is worth on markets made for it: evener years, at next to no loss in sharpness.

Labels overlap 42-fold as the bars' do; markets are independent, so their means have plain standard errors.
Error rates: measured over forty other seeds, two-speed CQR's gain in evenness is 1.1 standard deviations of a
market where nothing drifts and 1.3 where the scale does, so over twelve markets a correct build sees none of
it about once in ten thousand changes of seed. Bounds on means are four standard errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.conformal import TwoSpeedCQR
from contracts.model.scores import winkler
from tests.contracts.model.labels import LEVEL, Rows, hits, live, overlapping

YEAR, YEARS, MARKETS = 2190, 4, 12
DRIFT, DRIFT_BARS = 0.15, 720
"""Standard deviation of the log of the scale, and its memory: 120 days."""


@dataclass(frozen=True)
class Compared:
    """Over markets: what learning changes against the same start standing still, and what it covers."""

    yearly_miss: Rows
    winkler: Rows
    coverage: Rows


def wandering(rng: np.random.Generator, n: int) -> Rows:
    """Standard normal, stationary, with correlation 1 / e after `DRIFT_BARS`."""
    keep = math.exp(-1 / DRIFT_BARS)
    shocks = rng.normal(size=n) * math.sqrt(1 - keep**2)
    path = np.empty(n)
    path[0] = rng.normal()
    for t in range(1, n):
        path[t] = keep * path[t - 1] + shocks[t]
    return path


def yearly_miss(hit: NDArray[np.bool_]) -> float:
    return float(np.abs(hit.reshape(YEARS, YEAR).mean(axis=1) - 0.90).mean())


@cache
def compared(drift: float) -> Compared:
    rows = []
    for seed in range(100, 100 + MARKETS):
        rng = np.random.default_rng(seed)
        y = overlapping(rng, YEARS * YEAR)
        y *= np.exp(drift * wandering(rng, len(y)))
        _, bands = live(TwoSpeedCQR(0.0, 0.0), y)
        still = np.tile(LEVEL, (len(y), 1))
        hit, hit_still = hits(bands, y, 0.90), hits(still, y, 0.90)
        loss, loss_still = (float(winkler(y, one, 0.90).mean()) for one in (bands, still))
        evener = yearly_miss(hit) - yearly_miss(hit_still)
        rows.append((evener, loss / loss_still - 1, float(hit.mean())))
    return Compared(*np.array(rows).T)


def error(values: Rows) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


@pytest.fixture(params=[0.0, DRIFT], ids=["nothing drifts", "the scale drifts"])
def found(request: pytest.FixtureRequest) -> Compared:
    drift: float = request.param
    return compared(drift)


def test_years_are_evener_than_standing_still(found: Compared) -> None:
    assert found.yearly_miss.mean() < 0, (found.yearly_miss.mean(), error(found.yearly_miss))


def test_the_outer_interval_loses_at_most_half_a_per_cent(found: Compared) -> None:
    assert found.winkler.mean() + 4 * error(found.winkler) < 0.005
    assert error(found.winkler) < 0.001, "a bound this wide would prove nothing"


def test_where_nothing_drifts_coverage_stays_nominal() -> None:
    found = compared(0.0)
    assert abs(found.coverage.mean() - 0.90) < 4 * error(found.coverage)
    assert error(found.coverage) < 0.005, "a bound this wide would prove nothing"
