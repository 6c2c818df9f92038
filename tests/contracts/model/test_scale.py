"""The volatility scale: its weights, and fast over slow volatility."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contracts.model.scale import HALF_LIVES_BARS, VARIANCE_FLOOR, WEIGHTS, VolatilityScale


def after(variances: list[float]) -> VolatilityScale:
    scale = VolatilityScale()
    for variance in variances:
        scale.update(variance)
    return scale


def average(variances: list[float], half_life: int) -> float:
    ages = np.arange(len(variances))[::-1]
    return float(np.average(variances, weights=0.5 ** (ages / half_life)))


@pytest.mark.parametrize("n_bars", [1, 50, 3_000])
def test_sigma_and_ratio_are_their_formulas(n_bars: int) -> None:
    variances = (1e-4 * np.random.default_rng(n_bars).chisquare(3, n_bars)).tolist()
    fast, middle, slow = (average(variances, half_life) for half_life in (42, 240, 1_500))
    scale = after(variances)
    assert scale.ratio == pytest.approx(math.sqrt(fast / slow), rel=1e-9)
    assert scale.sigma == pytest.approx(math.sqrt(fast**0.15 * middle**0.25 * slow**0.60), rel=1e-9)


def test_the_weights_are_those_of_a_mean() -> None:
    assert math.fsum(WEIGHTS) == pytest.approx(1.0)
    assert len(WEIGHTS) == len(HALF_LIVES_BARS)


def test_a_ratio_of_one_at_the_start_and_after_the_first_bar() -> None:
    assert VolatilityScale().ratio == 1.0
    assert after([3e-4]).ratio == pytest.approx(1.0)


def test_the_ratio_rises_in_a_storm_and_falls_in_the_calm_behind_it() -> None:
    calm, wild = [1e-4] * 2_000, [9e-4] * 84
    assert after(calm).ratio == pytest.approx(1.0)
    assert 1.5 < after(calm + wild).ratio < 3.0, "nine times the variance is three times the volatility"
    assert after(calm + wild + calm[:400]).ratio < 1.0


def test_a_frozen_market_is_of_the_floor_and_usual() -> None:
    frozen = after([0.0] * 500)
    assert frozen.ratio == 1.0
    assert frozen.sigma == pytest.approx(math.sqrt(VARIANCE_FLOOR))


def test_the_ratio_does_not_depend_on_the_unit() -> None:
    variances = np.random.default_rng(2).chisquare(3, 500) * 1e-4
    assert after((variances * 50.0).tolist()).ratio == pytest.approx(after(variances.tolist()).ratio)
