"""What a validation run leaves behind: `results.json` and `predictions.parquet`.

`results.json`, schema `validation/1` (numbers that do not exist are null, with a reason beside them):

| key | holds |
| --- | --- |
| `schema` | `validation/1` |
| `settings` | `walk_forward` (window_days, null for expanding; step_days; start) and `train` |
| `symbols`, `horizons`, `leader` | what was validated |
| `bars` | per symbol: bars, first and last open_time, sha256 |
| `windows` | per refit: number, start, stop, key, and `scores` |
| `windows[].scores` | `T42` … → `pooled` and each symbol → plain scores |
| plain scores | bands, n (bands with an outcome), n_effective, ic_reason, the scores and the ratios |
| the scores | coverage_90, coverage_50, crossing_rate, calibration_error, pinball, winkler_90, mae, ic |
| `overall` | `T42` … → `pooled` and each symbol → the scores and the ratios, each an estimate |
| the ratios | pinball and winkler_90, `_to_har_rv` and `_to_ewma_ecdf`, paired band by band |
| an estimate | value, low, high, level (of the block-bootstrap interval), n, n_effective, reason |
| `cpcv` | null, or settings and per horizon the folds, their means and `variance_between_folds` |

Pooled means are means over symbols of each symbol's mean; folds average all their rows. `crossing_rate` is
of the learned quantiles before rearrangement. Losses are in log-return units; ratios below 1 are better.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.files import write_atomic, write_json
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES, iso
from offline.ingest import history_sha256
from offline.validate.scores import HorizonRows

RESULTS_SCHEMA = "validation/1"


def predictions_frame(rows: Sequence[HorizonRows], histories: Sequence[History]) -> pd.DataFrame:
    """Every issued band, ordered by issue time, symbol and horizon.

    Columns: symbol, horizon_bars, issued_at (the bar's close, UTC), target_time, ref_price, q05 … q95
    (log-return quantiles, NaN where calibration gave no finite band), return (log return, NaN when the
    target bar is missing).
    """
    parts = []
    for one in rows:
        prices = np.empty(len(one.close_time))
        for symbol, history in enumerate(histories):
            mine = one.symbol == symbol
            at = np.searchsorted(history.open_time + BAR_SECONDS, one.close_time[mine])
            prices[mine] = history.close[at]
        parts.append(
            pd.DataFrame(
                {
                    "symbol": np.array(one.symbols, dtype=object)[one.symbol],
                    "horizon_bars": np.full(len(prices), one.horizon, dtype=np.int64),
                    "issued_at": _times(one.close_time),
                    "target_time": _times(one.close_time + one.horizon * BAR_SECONDS),
                    "ref_price": prices,
                    **{name: one.quantiles[:, level] for level, name in enumerate(LEVEL_NAMES)},
                    "return": one.outcome,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(["issued_at", "symbol", "horizon_bars"], kind="stable", ignore_index=True)


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Write the bands as parquet, whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(path, buffer.getvalue())


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write `results.json`, whole or not at all; the same results always give the same bytes.

    Raises `ValueError` for a number JSON has no text for.
    """
    write_json(path, results, sort_keys=True)


def bars_told(histories: Sequence[History]) -> dict[str, Any]:
    """Which bars a run has seen."""
    return {
        history.symbol: {
            "bars": len(history),
            "first_open_time": iso(int(history.open_time[0])),
            "last_open_time": iso(int(history.open_time[-1])),
            "sha256": history_sha256(history),
        }
        for history in histories
    }


def _times(seconds: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(seconds.astype("datetime64[s]").astype("datetime64[us]")).tz_localize("UTC")
