"""The predictor: each symbol's own quantiles, corrected, widened by what its calibrator says of the hour."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext
from contracts.model.conformal import AdaptiveCQR, MondrianCQR, SplitCQR
from contracts.model.forest import PackedForest
from contracts.model.grid import LEVEL_NAMES, LEVELS, MEDIAN
from contracts.model.predictor import Head, Predictor, model_name

from .boosters import train

HORIZON = 42
EMPIRICAL = {
    "AAA": np.array([-1.6, -0.7, 0.1, 0.7, 1.6]),
    "BBB": np.array([-2.6, -1.0, 0.0, 1.1, 2.4]),
}
MONDRIAN = MondrianCQR(
    edges=(0.8, 1.4),
    regimes=(SplitCQR(-0.3, -0.1, 200), SplitCQR(0.2, 0.1, 200), SplitCQR(0.9, 0.4, 200)),
    pooled=SplitCQR(0.25, 0.12, 600),
)
ADAPTIVE = AdaptiveCQR(0.05, -0.02)
CALM, USUAL, WILD = (BandContext(0, ratio) for ratio in (0.5, 1.0, 2.0))


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(300, 3))


@pytest.fixture(scope="module")
def predictor(rows: NDArray[np.float64]) -> Predictor:
    y = 0.3 * rows[:, 0] + 0.2 * np.random.default_rng(2).normal(size=len(rows))
    boosters = {
        model_name(HORIZON, name): train(rows, y, 3, alpha=level)
        for name, level in zip(LEVEL_NAMES, LEVELS, strict=True)
    }
    forest = PackedForest.pack({name: b.dump_model() for name, b in boosters.items()}, 3)
    head = Head(HORIZON, EMPIRICAL, 0.7, 0.5, {"AAA": MONDRIAN, "BBB": ADAPTIVE})
    return Predictor(forest, (head,))


@pytest.mark.parametrize("context", [CALM, USUAL, WILD])
def test_a_prediction_tells_the_widening_of_its_own_regime(
    predictor: Predictor, rows: NDArray[np.float64], context: BandContext
) -> None:
    told = predictor.predict("AAA", rows[0], 0.01, context)[HORIZON]
    assert told.method == "mondrian_cqr"
    assert told.q_hat == MONDRIAN.regimes[MONDRIAN.regime(context)].q_hat
    assert told.q_hat != MONDRIAN.q_hat, "the pooled widening is in force nowhere"


def test_a_wild_market_gets_the_wider_band(predictor: Predictor, rows: NDArray[np.float64]) -> None:
    calm, wild = (predictor.predict("AAA", rows[0], 0.01, c)[HORIZON].quantiles for c in (CALM, WILD))
    unit = 0.01 * math.sqrt(HORIZON)
    assert wild[-1] - calm[-1] == pytest.approx(1.2 * unit)
    assert calm[0] - wild[0] == pytest.approx(1.2 * unit)
    other = predictor.predict("BBB", rows[0], 0.01, CALM)[HORIZON]
    assert other == predictor.predict("BBB", rows[0], 0.01, WILD)[HORIZON]


@pytest.mark.parametrize("symbol", ["AAA", "BBB"])
def test_a_band_is_the_symbols_own_quantiles_corrected_and_calibrated(
    predictor: Predictor, rows: NDArray[np.float64], symbol: str
) -> None:
    calibrator = {"AAA": MONDRIAN, "BBB": ADAPTIVE}[symbol]
    moves = predictor.corrections(rows)
    assert moves.shape == (len(rows), 1, 5)
    for row, move in zip(rows[:20], moves[:20, 0], strict=True):
        expected = EMPIRICAL[symbol] + 0.7 * move
        expected[MEDIAN] *= 0.5
        band = calibrator.interval(np.sort(expected), USUAL) * 0.02 * math.sqrt(HORIZON)
        told = predictor.predict(symbol, row, 0.02, USUAL)[HORIZON]
        np.testing.assert_allclose(told.quantiles, band, rtol=1e-12)


def test_rows_of_one_symbol_standardise_together(predictor: Predictor, rows: NDArray[np.float64]) -> None:
    (head,) = predictor.heads
    moves = predictor.corrections(rows)[:, 0]
    whole = head.standardised(moves, "BBB")
    assert all(np.array_equal(head.standardised(m, "BBB"), row) for m, row in zip(moves, whole, strict=True))
    assert (np.diff(whole, axis=1) >= 0).all()


def test_a_symbol_without_a_head_is_no_band(predictor: Predictor, rows: NDArray[np.float64]) -> None:
    with pytest.raises(KeyError, match="ZZZ"):
        predictor.predict("ZZZ", rows[0], 0.01, USUAL)
