"""GARCH-t keeps the baselines' contract, and finds the process that made its bars."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.baselines import GarchProcess, GarchT
from offline.market import MarketSpec, simulate
from tests.offline.baselines.test_baselines import TestEveryBaseline as Contract

OMEGA, ALPHA, BETA = 2e-6, 0.08, 0.90


def garch_bars(n_bars: int) -> History:
    stream = np.random.default_rng(4)
    shocks = stream.standard_t(5, n_bars) / np.sqrt(5 / 3)
    returns, variance = np.zeros(n_bars), OMEGA / (1 - ALPHA - BETA)
    for i in range(n_bars):
        returns[i] = np.sqrt(variance) * shocks[i]
        variance = OMEGA + ALPHA * returns[i] ** 2 + BETA * variance
    close = 100 * np.exp(np.cumsum(returns))
    return History("BTC", BAR_SECONDS * np.arange(n_bars), close, close, close, close, close)


@pytest.fixture(scope="module")
def bars() -> History:
    return simulate(MarketSpec(), ["BTC"], 3_000, 0, seed=8).histories["BTC"]


@pytest.mark.parametrize("promise", [name for name in vars(Contract) if name.startswith("test_")])
def test_it_keeps_every_promise_of_a_baseline(promise: str, bars: History) -> None:
    method = getattr(Contract(), promise)
    given = {"baseline": GarchT(), "bars": bars}
    method(**{name: given[name] for name in inspect.signature(method).parameters})


def test_it_finds_the_process() -> None:
    bars = garch_bars(12_000)
    process = GarchT().fit(bars, 42, int(bars.open_time[-1])).process
    assert process.alpha == pytest.approx(ALPHA, abs=0.02)
    assert process.beta == pytest.approx(BETA, abs=0.03)
    assert process.omega == pytest.approx(OMEGA, rel=0.5)


def test_the_variance_is_filtered_and_summed_as_by_hand() -> None:
    process = GarchProcess(OMEGA, ALPHA, BETA, start=1e-4)
    returns = np.array([0.01, -0.03, 0.0, 0.02])
    by_hand, variance = [], 1e-4
    for one in returns:
        variance = OMEGA + ALPHA * one**2 + BETA * variance
        by_hand.append(variance)
    np.testing.assert_allclose(process.next_variance(returns), by_hand)
    total, ahead = 0.0, by_hand[-1]
    for _ in range(42):
        total += ahead
        ahead = OMEGA + (ALPHA + BETA) * ahead
    assert process.summed(np.array(by_hand), 42)[-1] == pytest.approx(total)
