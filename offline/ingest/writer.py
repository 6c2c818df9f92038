"""Bars to parquet, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from contracts.files import write_atomic
from contracts.model.candle import History


def write_bars(history: History, path: str | Path) -> Path:
    """Write one symbol's bars so that `read_bars` gives them back bit for bit.

    The file appears under its name only when it is complete: it is written beside it, flushed to disk
    and renamed. The columns are those of the reader plus `symbol`; open_time is UTC in microseconds.
    Raises `ValueError` for a history without bars and `OSError` as the file system does.

    >>> from tempfile import TemporaryDirectory
    >>> from offline.ingest import read_bars
    >>> from offline.market import MarketSpec, simulate
    >>> bars = simulate(MarketSpec(), ["BTCUSDT"], 500, start=1704067200, seed=1).histories["BTCUSDT"]
    >>> with TemporaryDirectory() as folder:
    ...     history, report = read_bars(write_bars(bars, Path(folder) / "bars.parquet"))
    >>> len(history), report.missing_bars, report.notes
    (500, 0, ('500 open_time read as timestamps',))
    """
    if len(history) == 0:
        raise ValueError(f"expected bars of {history.symbol} to write to {path}, found an empty history")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    times = pd.to_datetime(history.open_time.astype("datetime64[s]").astype("datetime64[us]"), utc=True)
    frame = pd.DataFrame(
        {
            "open_time": times,
            "open": history.open,
            "high": history.high,
            "low": history.low,
            "close": history.close,
            "volume": history.volume,
            "symbol": np.full(len(history), history.symbol, dtype=object),
        }
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(path, buffer.getvalue())
    return path
