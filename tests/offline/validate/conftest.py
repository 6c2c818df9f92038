from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.market import MarketSpec, simulate
from offline.train import TrainSettings
from offline.validate import CpcvSettings, Validation, WalkForwardSettings, validate

START = 1_577_836_800  # 2020-01-01
BARS = 2_000
FIRST_REFIT = START + 1_610 * BAR_SECONDS
SETTINGS = WalkForwardSettings(window_days=None, step_days=30, start=FIRST_REFIT)
QUICK = TrainSettings(rounds=4, learning_rate=0.1, folds=2, threads=2)
CPCV = CpcvSettings(groups=4, embargo_bars=30)
MISSING = 1_800
"""The bar that BBB lacks."""


@dataclass(frozen=True)
class Run:
    folder: Path
    histories: list[History]
    validation: Validation

    @property
    def frame(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "predictions.parquet")


def without(history: History, bar: int) -> History:
    columns = (history.open_time, history.open, history.high, history.low, history.close, history.volume)
    return History(history.symbol, *(np.delete(column, bar) for column in columns))


def walk(histories: list[History], folder: Path, settings: WalkForwardSettings = SETTINGS) -> Validation:
    return validate(histories, folder, settings=settings, train_settings=QUICK, leader="AAA")


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two symbols, one with a missing bar, three windows of which the last is short, and four folds."""
    market = simulate(MarketSpec(), ("AAA", "BBB"), BARS, START, seed=5).histories
    histories = [market["AAA"], without(market["BBB"], MISSING)]
    folder = tmp_path_factory.mktemp("walked")
    done = validate(histories, folder, settings=SETTINGS, train_settings=QUICK, leader="AAA", cpcv=CPCV)
    return Run(folder, histories, done)
