from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import MovingBlockBootstrap
from numpy.typing import NDArray

from offline.metrics import Estimate, bootstrap_mean, bootstrap_ratio, effective_sample_size


def overlapping(n: int, horizon: int, seed: int) -> NDArray[np.float64]:
    """Sums of `horizon` neighbours of white noise: what a T-bar return is."""
    noise = np.random.default_rng(seed).standard_normal(n + horizon - 1)
    return np.convolve(noise, np.ones(horizon), mode="valid")


def test_it_is_archs_bootstrap_computed_faster() -> None:
    panel = np.column_stack([overlapping(1_500, 42, seed) for seed in (1, 2)])
    panel[:300, 1] = np.nan
    fast = bootstrap_mean(panel, 42, draws=200, seed=7)
    slow = MovingBlockBootstrap(126, panel, seed=np.random.default_rng(7)).apply(
        lambda drawn: np.nanmean(drawn, axis=0).mean(), 200
    )
    assert [fast.low, fast.high] == pytest.approx(np.quantile(slow, [0.05, 0.95]).tolist())
    assert fast.value == pytest.approx(np.nanmean(panel, axis=0).mean())
    assert (fast.n, fast.n_effective) == (2_700, 36)
    assert bootstrap_mean(panel, 42, draws=200, seed=7) == fast
    assert bootstrap_mean(panel, 42, draws=200, seed=8) != fast


def test_it_allows_for_overlap() -> None:
    """In simulation the 90 % interval holds the true mean at nearly its rate; a naive one would not."""
    held = naive = 0
    for seed in range(150):
        sample = overlapping(3_000, 42, seed)
        estimate = bootstrap_mean(sample, 42, draws=200, seed=seed)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 0 <= estimate.high
        naive += abs(sample.mean()) <= 1.645 * sample.std() / np.sqrt(3_000)
    assert 0.80 <= held / 150 <= 0.95
    assert naive / 150 < 0.35


def test_a_ratio_is_paired() -> None:
    reference = np.column_stack([np.exp(0.1 * overlapping(2_000, 42, seed)) for seed in (1, 2, 3)])
    model = reference * 0.98
    model[100:200, 0] = np.nan
    same = bootstrap_ratio(model, reference, 42)
    assert (same.value, same.low, same.high) == pytest.approx((0.98, 0.98, 0.98))
    assert same.n == 5_900
    better = bootstrap_ratio(reference**0.9, reference, 42)
    assert better.low is not None
    assert better.high is not None
    assert better.low < better.value < better.high


def test_symbols_weigh_the_same_whatever_their_history() -> None:
    panel = np.column_stack([np.zeros(2_000), np.full(2_000, np.nan)])
    panel[-200:, 1] = 1.0
    estimate = bootstrap_mean(panel, 42)
    assert estimate.value == 0.5
    assert estimate.low is not None  # draws without the short symbol average the others


def test_too_few_blocks_give_no_interval() -> None:
    estimate = bootstrap_mean(np.ones(126 * 7), 42)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)
    assert estimate.reason == "7 blocks of 126 bars, at least 8 needed"
    assert str(estimate) == f"1.0000 (no interval: {estimate.reason}; n 882, about 21 independent)"
    assert bootstrap_mean(np.ones(126 * 8), 42).low == 1.0


def test_estimates_print_well() -> None:
    shown = str(Estimate(0.9, 0.85, 0.95, level=0.9, n=1000, n_effective=24))
    assert shown == "0.9000 [0.8500, 0.9500] (90 %, n 1,000, about 24 independent)"


def test_effective_sample_size() -> None:
    assert [effective_sample_size(n, 42) for n in (0, 1, 42, 43, 2_190)] == [0, 1, 1, 2, 53]
    with pytest.raises(ValueError, match="horizon >= 1"):
        effective_sample_size(10, 0)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_mean([np.nan] * 2_000, 42)
    with pytest.raises(ValueError, match="panels of one shape"):
        bootstrap_ratio(np.ones(5), np.ones(6), 42)
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        bootstrap_mean(np.ones(2_000), 42, level=90)
