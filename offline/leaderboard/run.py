"""A leaderboard run from predictions and bars to `leaderboard.json`; resumable window by window.

`leaderboard.json`, schema `leaderboard/1` (what does not exist is null, with a reason beside it):

| key | holds |
| --- | --- |
| `schema` | `leaderboard/1` |
| `predictions` | sha256 of our predictions file, first and last issue time scored |
| `symbols`, `leader`, `bars` | what everyone saw: per symbol bars, first and last open_time, sha256 |
| `peers` | each peer asked → when it is refitted, and `left_out`: null, or why it could not run |
| `horizons` | `T42` … → one board each |
| board `rows` | `ours` (bands with an outcome), `common` (scored), `lacking` per peer (dropped for all) |
| board `left_out` | peers that answered for no row of this horizon, and why |
| board `models` | `bands` (ours) and each peer → `pooled` and `symbols` → scores |
| scores | n, n_effective; pinball, winkler_90 and winkler_50, each also `_to_har_rv` |
| scores | coverage_90, coverage_50, width_90, below_q05, above_q95, calibration_error |
| scores | crossing_rate, yearly_miss, coverage_90_by_year |
| board `bands_to_ewma_ecdf` | `pooled` and `symbols` → paired ratios of pinball and winkler_90 |
| board `targets` | target, expected, found, met (null when it can not be said), reason |
| an estimate | value, low, high, level (of the block-bootstrap interval), n, n_effective, reason |

Coverages and ratios are estimates. Pooled means are means over symbols of each symbol's mean; losses and
widths are in log-return units; ratios below 1 are better; `yearly_miss` is the mean of |coverage − 0.9|
over symbol-years; `crossing_rate` is of the bands as issued, the peers' after rearrangement.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, iso
from contracts.model.intake import DEFAULT_MAX_GAP_BARS
from offline.dataset import Progress, no_progress
from offline.leaderboard.board import horizon_board
from offline.leaderboard.entries import Predictions
from offline.leaderboard.forecast import Forecasts, forecast_all
from offline.leaderboard.market import Market
from offline.leaderboard.peer import Peer
from offline.leaderboard.targets import OURS
from offline.validate.report import bars_told, write_results
from offline.validate.store import WindowStore

SCHEMA = "leaderboard/1"
RESULT, WINDOWS = "leaderboard.json", "windows"


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A finished run: what `leaderboard.json` holds, how many windows were reused, what took how long."""

    folder: Path
    results: dict[str, Any]
    reused_windows: int
    seconds: dict[str, float]


def leaderboard(
    predictions: Predictions,
    histories: Sequence[History],
    folder: Path,
    peers: Sequence[Peer],
    *,
    horizons: Sequence[int] = (),
    leader: str | None = None,
    max_gap_bars: int = DEFAULT_MAX_GAP_BARS,
    progress: Progress = no_progress,
) -> Leaderboard:
    """Put our bands beside every peer on the same rows, and write `leaderboard.json` into `folder`.

    `peers` must hold HAR-RV and ewma-ecdf. Each (peer, refit, horizon) is kept in `folder/windows` when it
    is finished, under a hash of all that decides it. No `horizons` are those of the predictions.

    Raises:
        BadInputError: the predictions are not of these bars.
        ValueError: a horizon without predictions, too few bars, or no common row.
    """
    chosen = sorted(set(horizons)) or predictions.horizons
    if unknown := sorted(set(chosen) - set(predictions.horizons)):
        raise ValueError(
            f"expected horizons among {predictions.horizons}, found {unknown}; choose others with --horizons "
            f"or validate with these"
        )
    clock = time.perf_counter
    marks = [clock()]
    market = Market.of(histories, leader, max_gap_bars, progress)
    ours = {horizon: predictions.on(market, horizon) for horizon in chosen}
    folder.mkdir(parents=True, exist_ok=True)
    marks.append(clock())
    found = forecast_all(
        market,
        peers,
        chosen,
        predictions.first,
        predictions.last + BAR_SECONDS,
        WindowStore(folder / WINDOWS),
        progress,
    )
    marks.append(clock())
    boards = {}
    for done, horizon in enumerate(chosen):
        progress("scoring horizons", done, len(chosen))
        boards[f"T{horizon}"] = horizon_board(market, horizon, _models(horizon, ours[horizon], peers, found))
    progress("scoring horizons", len(chosen), len(chosen))
    results = {
        "schema": SCHEMA,
        "predictions": {
            "sha256": predictions.sha256,
            "first": iso(predictions.first),
            "last": iso(predictions.last),
        },
        "symbols": list(market.dataset.symbols),
        "leader": leader,
        "bars": bars_told(histories),
        "peers": {
            peer.name: {"refit": str(peer.cadence), "left_out": found.left_out.get(peer.name)}
            for peer in peers
        },
        "horizons": boards,
    }
    write_results(results, folder / RESULT)
    marks.append(clock())
    names = ("features", "peers", "scores")
    seconds = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return Leaderboard(folder, results, found.reused, seconds)


def _models(
    horizon: int, ours: NDArray[np.float64], peers: Sequence[Peer], found: Forecasts
) -> dict[str, NDArray[np.float64]]:
    answers = {peer.name: found.quantiles.get((peer.name, horizon)) for peer in peers}
    return {OURS: ours} | {name: quantiles for name, quantiles in answers.items() if quantiles is not None}
