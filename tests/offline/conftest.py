from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS

START = 1_577_836_800  # 2020-01-01


@pytest.fixture
def history() -> History:
    """Sixty made-up bars without a fault."""
    stream = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(0.01 * stream.standard_normal(60)))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * 1.004
    low = np.minimum(opened, close) * 0.996
    times = START + BAR_SECONDS * np.arange(60)
    return History("BTCUSDT", times, opened, high, low, close, 10 + stream.random(60))


@pytest.fixture
def frame(history: History) -> pd.DataFrame:
    """The same bars as a table with open_time in epoch seconds."""
    columns = ("open_time", "open", "high", "low", "close", "volume")
    return pd.DataFrame({name: getattr(history, name) for name in columns})
