"""Trained bands against a market whose conditional quantiles are known exactly.

Error rates: every bound is four standard errors of its statistic over independent simulated markets, so
a correct build fails one of these tests about once in ten thousand changes of seed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.conformal import SplitCQR
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.spec import FeatureSpec
from offline.calibration import CalibrationChoice, serve_in_order
from offline.calibration.held_out import contexts_of
from offline.dataset import Dataset, build_dataset
from offline.market import MarketSpec, simulate
from offline.metrics import hits, pinball
from offline.train import TrainedHead, TrainPlan, TrainSettings, train
from offline.train.boosters import predict_levels

pytestmark = pytest.mark.xdist_group("truth")

START = 1_483_228_800
BARS = 6_000
TRAINED = 4_500
HORIZON = 42
MARKETS = 12


def served(dataset: Dataset, history: History, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles and realised returns after the cut of one market, each band calibrated as of its hour."""
    cut = START + TRAINED * BAR_SECONDS
    past = build_dataset([history.between(None, cut)], FeatureSpec())
    head = train(past, TrainSettings(rounds=30, folds=3, seed=seed))[HORIZONS.index(HORIZON)]
    ahead = np.flatnonzero(dataset.close_time > cut)
    quantiles, _ = serve_in_order(
        head.head.calibrators["SIM"],
        raw_quantiles(head, dataset, ahead),
        contexts_of(dataset.close_time[ahead], dataset.volatility_ratio[ahead]),
        dataset.targets(HORIZON)[ahead],
        HORIZON,
        int(dataset.close_time[-1]),
    )
    unit = (dataset.sigma[ahead] * math.sqrt(HORIZON))[:, None]
    return quantiles * unit, dataset.returns[ahead, HORIZONS.index(HORIZON)]


def raw_quantiles(head: TrainedHead, dataset: Dataset, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """What the models say of rows, before calibration and in units of σ√T."""
    return head.head.standardised(predict_levels(head.boosters, dataset.rows[at]), "SIM")


@pytest.fixture(scope="module")
def judged() -> list[dict[str, float]]:
    """Coverage and pinball of bands and of the truth, one row for each of a dozen markets."""
    rows = []
    for seed in range(MARKETS):
        market = simulate(MarketSpec(), ["SIM"], BARS, START, seed)
        history = market.histories["SIM"]
        dataset = build_dataset([history], FeatureSpec())
        quantiles, y = served(dataset, history, seed)
        closed = dataset.close_time[dataset.close_time > START + TRAINED * BAR_SECONDS]
        at = np.searchsorted(history.open_time, closed - BAR_SECONDS)
        truth = market.true_quantiles("SIM", HORIZON)[at]
        known = np.isfinite(y)
        rows.append(
            {
                "cov_90": float(np.mean(hits(y[known], quantiles[known], 0.90))),
                "cov_50": float(np.mean(hits(y[known], quantiles[known], 0.50))),
                "truth_90": float(np.mean(hits(y[known], truth[known], 0.90))),
                "truth_50": float(np.mean(hits(y[known], truth[known], 0.50))),
                "pinball": float(pinball(y[known], quantiles[known]).mean()),
                "truth_pinball": float(pinball(y[known], truth[known]).mean()),
            }
        )
    return rows


@pytest.mark.parametrize("coverage", [90, 50])
def test_coverage_over_markets_is_nominal(judged: list[dict[str, float]], coverage: int) -> None:
    """Markets are independent, so their mean has a plain standard error; no overlap is counted twice."""
    found = np.array([row[f"cov_{coverage}"] for row in judged])
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert abs(found.mean() - coverage / 100) < 4 * error, (found.mean(), error)
    assert error < 0.05, "a bound this wide would prove nothing"


def test_the_truth_covers_what_it_says(judged: list[dict[str, float]]) -> None:
    for coverage in (90, 50):
        found = np.array([row[f"truth_{coverage}"] for row in judged])
        assert abs(found.mean() - coverage / 100) < 4 * found.std(ddof=1) / math.sqrt(len(found))


def test_bands_lose_little_to_the_truth_and_never_beat_it(judged: list[dict[str, float]]) -> None:
    """A model that beats the exact quantiles has seen the future."""
    ratio = np.array([row["pinball"] / row["truth_pinball"] for row in judged])
    error = ratio.std(ddof=1) / math.sqrt(len(ratio))
    assert ratio.mean() > 1 - 4 * error
    assert ratio.mean() < 1.05, f"expected within 5 % of the truth's pinball, found {ratio.mean():.3f}"


def test_held_out_scores_are_as_large_as_fresh_ones() -> None:
    """Purged cross-fitting must not flatter: q_hat on unseen bars of the same market is the same size."""
    plan = TrainPlan(
        TrainSettings(rounds=30, folds=3), calibration={HORIZON: CalibrationChoice(SplitCQR.method)}
    )
    differences = []
    for seed in range(8):
        history = simulate(MarketSpec(), ["SIM"], BARS, START, 100 + seed).histories["SIM"]
        dataset = build_dataset([history], FeatureSpec())
        cut = START + TRAINED * BAR_SECONDS
        past = build_dataset([history.between(None, cut)], FeatureSpec())
        head = train(past, plan)[HORIZONS.index(HORIZON)]
        targets = dataset.targets(HORIZON)
        ahead = np.flatnonzero((dataset.close_time > cut) & np.isfinite(targets))
        fresh = SplitCQR.calibrate(raw_quantiles(head, dataset, ahead), targets[ahead])
        differences.append(fresh.q_hat[0.90] - head.head.calibrators["SIM"].q_hat[0.90])
    spread = np.std(differences, ddof=1) / math.sqrt(len(differences))
    assert abs(np.mean(differences)) < 4 * spread
    assert spread < 0.2, "a bound this wide would prove nothing"


def test_standardised_labels_have_unit_scale() -> None:
    """σ√T is the right yardstick: standardised returns of the simulated market have about unit variance."""
    history = simulate(MarketSpec(), ["SIM"], 20_000, START, 9).histories["SIM"]
    dataset = build_dataset([history], FeatureSpec())
    spread = np.nanstd(dataset.targets(HORIZON))
    assert 0.8 < spread < 1.25
