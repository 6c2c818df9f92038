from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.grid import LEVELS
from offline.market import MarketSpec, true_quantiles
from offline.market import truth as module


def monte_carlo(spec: MarketSpec, state: int, horizon: int, paths: int, seed: int) -> NDArray[np.float64]:
    """T-bar returns by walking the chain as its definition reads: move, then draw the bar."""
    stream = np.random.default_rng(seed)
    edges = np.cumsum(spec.transition, axis=1)
    at = np.full(paths, state)
    total = np.zeros(paths)
    for _ in range(horizon):
        at = np.minimum((stream.random(paths)[:, None] > edges[at]).sum(axis=1), spec.n_states - 1)
        jumps = stream.poisson(spec.intensity[at])
        shock = stream.standard_normal(paths)
        sizes = spec.jump_mean * jumps + spec.jump_std * np.sqrt(jumps) * stream.standard_normal(paths)
        total += spec.sigma[at] * (shock + sizes)
    return total


# Faster chains than the default, so that a horizon sees several states and regimes.
LIVELY = MarketSpec(half_life_bars=10, calm_bars=30, stressed_bars=12, jump_intensity=(0.1, 0.3))


@pytest.mark.parametrize(("spec", "horizon"), [(MarketSpec(), 42), (LIVELY, 7), (LIVELY, 1)])
@pytest.mark.parametrize("state", [0, 3, 13])
def test_levels_of_the_exact_quantiles_in_a_monte_carlo(spec: MarketSpec, horizon: int, state: int) -> None:
    paths = 60_000
    exact = true_quantiles(spec, horizon)[state]
    drawn = monte_carlo(spec, state, horizon, paths, seed=11)
    share = (drawn[:, None] <= exact).mean(axis=0)
    levels = np.array(LEVELS)
    # Four standard errors: 45 comparisons, fixed seed.
    assert (np.abs(share - levels) < 4 * np.sqrt(levels * (1 - levels) / paths)).all()
    mean, std = module.moments(spec, horizon)
    assert drawn.std() == pytest.approx(std[state], rel=0.02)
    assert drawn.mean() == pytest.approx(mean[state], abs=4 * std[state] / np.sqrt(paths))


def test_one_gaussian_state_is_the_normal_law() -> None:
    spec = MarketSpec(
        stressed_multiplier=1.0, log_volatility_std=0.0, jump_intensity=(0.0, 0.0), n_vol_states=2
    )
    z95 = 1.6448536269514722
    expected = z95 * spec.sigma[0] * np.sqrt(42)
    np.testing.assert_allclose(
        true_quantiles(spec, 42, [0.05, 0.95]), [[-expected, expected]] * 4, rtol=1e-10
    )


def test_a_wider_range_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = true_quantiles(MarketSpec(), 60)
    monkeypatch.setattr(module, "_RANGE_STDS", 50.0)
    np.testing.assert_allclose(true_quantiles(MarketSpec(), 60), narrow, atol=1e-10)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon of at least 1 bar"):
        true_quantiles(MarketSpec(), 0)
    with pytest.raises(ValueError, match="levels in"):
        true_quantiles(MarketSpec(), 42, [0.0])
    with pytest.raises(ArithmeticError, match="more diffusion"):
        true_quantiles(MarketSpec(log_volatility_std=4.0), 1)
    with pytest.raises(ValueError, match="expected half_life_bars > 0"):
        MarketSpec(half_life_bars=0)
    with pytest.raises(ValueError, match=r"correlation in \[0, 1\]"):
        MarketSpec(correlation=1.5)


def test_the_chain_is_the_ar1_it_stands_for() -> None:
    spec = MarketSpec()
    for chain in (spec.transition, spec.step_transition, spec.regime_transition):
        np.testing.assert_allclose(chain.sum(axis=1), 1)
        assert (chain >= 0).all()
    np.testing.assert_allclose(spec.stationary @ spec.transition, spec.stationary, atol=1e-15)
    log_vol = np.log(spec.sigma[: spec.n_vol_states])
    weights = spec.stationary.reshape(2, -1).sum(axis=0)
    centred = log_vol - weights @ log_vol
    assert np.sqrt(weights @ centred**2) == pytest.approx(spec.log_volatility_std)
    ahead = np.linalg.matrix_power(spec.step_transition, 200) @ centred
    np.testing.assert_allclose(ahead, centred / 2, atol=1e-14)
