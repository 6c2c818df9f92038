"""A refit: trained on what was known that day, serving what that day's bundle would have served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from contracts.model.bundle import load_bundle
from contracts.model.grid import LEVEL_NAMES
from contracts.model.spec import FeatureSpec
from offline.calibration import serve_in_order
from offline.calibration.held_out import contexts_of
from offline.dataset import build_dataset
from offline.train import train, write_trained
from offline.validate import plan_windows, training_rows
from tests.offline.validate.conftest import FIRST_REFIT, QUICK, SETTINGS, Run


def test_a_window_trains_on_what_was_known_that_day(walked: Run) -> None:
    spec = FeatureSpec(leader="AAA")
    dataset = build_dataset(walked.histories, spec)
    for window in plan_windows(dataset, SETTINGS):
        past = training_rows(dataset, window, SETTINGS)
        then = build_dataset([h.between(None, window.start) for h in walked.histories], spec)
        labelled = np.isfinite(then.returns).any(axis=1)
        for name in ("symbol", "close_time", "rows", "sigma", "volatility_ratio", "returns"):
            np.testing.assert_array_equal(getattr(past, name), getattr(then, name)[labelled])
    rolling = replace(SETTINGS, window_days=100)
    oldest = int(training_rows(dataset, window, rolling).close_time.min())
    assert oldest == window.start - 100 * 86_400


def test_a_window_says_what_the_bundle_of_that_day_says(walked: Run, tmp_path: Path) -> None:
    """Bar by bar the bundle's own band until a label closes; then what the labels taught its calibrator."""
    dataset = build_dataset(walked.histories, FeatureSpec(leader="AAA"))
    then = [h.between(None, FIRST_REFIT) for h in walked.histories]
    known = build_dataset(then, dataset.spec)
    folder = write_trained(tmp_path / "bundle", train(known, QUICK), known, then, QUICK, version="0.1.0")
    predictor = load_bundle(folder, accelerate=False).predictor
    stop = plan_windows(dataset, SETTINGS)[0].stop
    served = (dataset.close_time >= FIRST_REFIT) & (dataset.close_time < stop)
    frame = walked.frame.set_index(["symbol", "horizon_bars", "issued_at"]).sort_index()
    for number, symbol in enumerate(dataset.symbols):
        rows = np.flatnonzero(served & (dataset.symbol == number))
        contexts = contexts_of(dataset.close_time[rows], dataset.volatility_ratio[rows])
        corrections = predictor.corrections(dataset.rows[rows])
        for h, head in enumerate(predictor.heads):
            horizon = head.horizon_bars
            kept = frame.loc[(symbol, horizon), list(LEVEL_NAMES)].to_numpy()[: len(rows)]
            for n in range(0, horizon, 13):
                told = predictor.predict(
                    symbol, dataset.rows[rows[n]], float(dataset.sigma[rows[n]]), contexts[n]
                )
                np.testing.assert_allclose(kept[n], told[horizon].quantiles, rtol=1e-12)
            issued, end = serve_in_order(
                head.calibrators[symbol],
                head.standardised(corrections[:, h], symbol),
                contexts,
                dataset.targets(horizon)[rows],
                horizon,
                stop,
            )
            unit = dataset.sigma[rows] * np.sqrt(horizon)
            np.testing.assert_allclose(kept, issued * unit[:, None], rtol=1e-12)
            assert end.q_hat != head.calibrators[symbol].q_hat, "a month of labels teaches"
