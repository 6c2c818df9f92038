"""A horizon whose calibrator knows too little: no band, as a worker issues none, and JSON stays JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from contracts.model.bundle import load_bundle
from contracts.model.conformal import SplitCQR
from contracts.model.grid import LEVEL_NAMES
from offline.registry import horizon_model
from tests.market import TestMarket


def test_a_band_without_end_is_none(market: TestMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlearned(folder: Path) -> object:
        bundle = load_bundle(folder, accelerate=False)
        blank = SplitCQR.calibrate(np.empty((0, 5)), np.empty(0))
        heads = [replace(h, calibrators={**h.calibrators, "BBB": blank}) for h in bundle.predictor.heads]
        return replace(bundle, predictor=replace(bundle.predictor, heads=tuple(heads)))

    monkeypatch.setattr(horizon_model, "load_bundle", unlearned)
    model = horizon_model.HorizonModel()
    context = SimpleNamespace(artifacts={"bundle": str(market.folder)}, model_config={"horizon_bars": 48})
    model.load_context(context)
    names = market.bundle.spec.names
    rows = pd.DataFrame(np.zeros((3, len(names))), columns=list(names)).assign(
        sigma=0.01, volatility_ratio=1.0, symbol=["AAA", "BBB", "AAA"]
    )
    told = json.loads(json.dumps(model.predict(None, rows).to_dict(orient="records"), allow_nan=False))
    assert told[1] == dict.fromkeys(LEVEL_NAMES)
    assert told[0] == told[2]
    assert list(told[0].values()) == sorted(told[0].values())
