"""Training rows: the very folds the worker runs, over history.

One row per bar of the history that has features, pooled over symbols in time order. Labels are by time:
a bar whose target bar is missing has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.context import KEPT_ROWS, N_CONTEXT, LeaderTrack
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.intake import DEFAULT_MAX_GAP_BARS, SymbolFold, Verdict
from contracts.model.spec import BASE_NAMES, FeatureSpec
from offline.labels import forward_returns

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pooled rows, ordered by close time and then symbol.

    `rows` is (n, features) float64, `sigma` (n,) the one-bar scale, `volatility_ratio` (n,) fast over slow
    volatility, `returns` (n, 4) the log return to each horizon's target bar, NaN without one; `close_time`
    (n,) epoch seconds; `symbol` (n,) an index into `symbols`. `states` and `leader` are the folds after the
    last bar.
    """

    spec: FeatureSpec
    symbols: tuple[str, ...]
    symbol: NDArray[np.int64]
    close_time: NDArray[np.int64]
    rows: NDArray[np.float64]
    sigma: NDArray[np.float64]
    volatility_ratio: NDArray[np.float64]
    returns: NDArray[np.float64]
    states: dict[str, SymbolFold]
    leader: LeaderTrack
    max_gap_bars: int

    def __len__(self) -> int:
        return len(self.close_time)

    def targets(self, horizon: int) -> NDArray[np.float64]:
        """Standardised returns over `horizon` bars, shape (n,): return / (σ√T), NaN without a label."""
        unit = self.sigma * math.sqrt(horizon)
        standardised: NDArray[np.float64] = self.returns[:, HORIZONS.index(horizon)] / unit
        return standardised


def build_dataset(
    histories: Sequence[History],
    spec: FeatureSpec,
    *,
    max_gap_bars: int = DEFAULT_MAX_GAP_BARS,
    progress: Progress = no_progress,
) -> Dataset:
    """Fold histories into training rows.

    Raises:
        ValueError: no history, a symbol twice, a leader that is not among them, or too few bars for
            a single row.
    """
    symbols = tuple(history.symbol for history in histories)
    if not symbols or len(set(symbols)) != len(symbols):
        raise ValueError(f"expected one history per symbol, found {symbols}")
    if spec.leader is not None and spec.leader not in symbols:
        raise ValueError(f"expected the leader {spec.leader} among the histories, found {symbols}")
    total = sum(map(len, histories))
    done = 0
    parts, states, track, told = [], {}, LeaderTrack.empty(), _Told.empty()
    for index, history in enumerate(histories):
        fold, kept, values, sigmas, ratios = SymbolFold(), [], [], [], []
        for number, candle in enumerate(history.candles()):
            offer = fold.offer(candle, max_gap_bars)
            if offer.verdict is not Verdict.FOLDED:
                raise ValueError(
                    f"expected increasing bars of {history.symbol}, found bar {number} to be "
                    f"{offer.verdict.value}; read the file with offline.ingest, which orders and checks it"
                )
            fold = offer.fold
            if offer.row is not None:
                kept.append(number)
                values.append(offer.row.values)
                sigmas.append(offer.row.sigma)
                ratios.append(offer.row.volatility_ratio)
                if history.symbol == spec.leader:
                    track = track.record(candle.open_time, offer.row, bridged=fold.is_degraded)
                    told.add(candle.open_time, track.rows[-1])
            done += 1
            if done % 2_000 == 0 or done == total:
                progress("folding features", done, total)
        states[history.symbol] = fold
        if not kept:
            continue
        at = np.array(kept)
        labels = np.column_stack([forward_returns(history, horizon)[at] for horizon in HORIZONS])
        parts.append(
            (
                np.full(len(at), index),
                history.open_time[at] + BAR_SECONDS,
                np.array(values).reshape(-1, len(BASE_NAMES)),
                np.array(sigmas),
                np.array(ratios),
                labels,
            )
        )
    if not parts:
        raise ValueError(f"expected more than 361 bars of a symbol, found {[len(h) for h in histories]}")
    symbol, close_time, rows, sigma, ratio, returns = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    if spec.leader is not None:
        context, known = told.before(close_time - BAR_SECONDS)
        symbol, close_time, sigma, ratio, returns = (
            column[known] for column in (symbol, close_time, sigma, ratio, returns)
        )
        rows = np.hstack((rows[known], context[known]))
    order = np.lexsort((symbol, close_time))
    return Dataset(
        spec,
        symbols,
        symbol[order],
        close_time[order],
        np.ascontiguousarray(rows[order]),
        sigma[order],
        ratio[order],
        returns[order],
        states,
        track,
        max_gap_bars,
    )


@dataclass(slots=True)
class _Told:
    """Every row the leader's track ever told, for reading as of any bar."""

    open_times: list[int]
    rows: list[NDArray[np.float64]]

    @classmethod
    def empty(cls) -> _Told:
        return cls([], [])

    def add(self, open_time: int, row: NDArray[np.float64]) -> None:
        self.open_times.append(open_time)
        self.rows.append(row)

    def before(self, open_times: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The newest row before each bar, (n, 9), and whether there is one: `LeaderTrack.before`."""
        told = np.array(self.open_times, dtype=np.int64)
        at = np.searchsorted(told, open_times) - 1
        rows = np.array(self.rows).reshape(-1, N_CONTEXT)
        if not len(rows):
            return np.zeros((len(at), N_CONTEXT)), np.zeros(len(at), dtype=bool)
        newest = np.maximum(at, 0)
        return rows[newest], (at >= 0) & (open_times - told[newest] <= KEPT_ROWS * BAR_SECONDS)
