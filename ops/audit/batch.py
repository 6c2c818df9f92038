"""The training side's way to the same bands: all rows first, then the forest over all of them, then labels.

Unlike the worker, which sees one bar at a time, everything here is at hand at once, the future included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import Bundle
from contracts.model.calibrator import BandContext
from contracts.model.candle import Candle, History
from contracts.model.context import LeaderTrack
from contracts.model.features import FeatureRow
from contracts.model.grid import HORIZONS, close_time
from offline.calibration import serve_in_order
from offline.labels import forward_returns
from ops.audit.ledger import BookKey, Ledger, Stretch

Array = NDArray[np.float64]
Stretches = Mapping[str, Sequence[Stretch]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Feature rows by symbol and opening time, and each leader's context rows (9,) by opening time."""

    own: Mapping[str, Mapping[int, FeatureRow]]
    context: Mapping[str, Mapping[int, Array]]

    def inputs(self, symbol: str, opened: int, bundle: Bundle, as_of: int | None) -> Array:
        """What a bundle's models read of a bar: its row and the leader's as of `as_of`."""
        own = self.own[symbol][opened].values
        leader = bundle.spec.leader
        if leader is None or as_of is None:
            return own
        return np.concatenate((own, self.context[leader][as_of]))


def fold_rows(stretches: Stretches, bundles: Sequence[Bundle]) -> Iterator[tuple[int, Rows]]:
    """Fold every stretch from its start; yields bars done on the way, the finished rows last."""
    own: dict[str, dict[int, FeatureRow]] = {symbol: {} for symbol in stretches}
    context: dict[str, dict[int, Array]] = {}
    tracks: dict[str, LeaderTrack] = {}
    for bundle in bundles:
        if (leader := bundle.spec.leader) is not None:
            known = context.setdefault(leader, {})
            known.update(zip(bundle.leader.open_times.tolist(), bundle.leader.rows, strict=True))
            tracks.setdefault(leader, bundle.leader)
    done, rows = 0, Rows(own, context)
    for symbol, parts in stretches.items():
        for part in parts:
            fold = part.start
            for candle in part.candles:
                offer = fold.offer(candle, part.max_gap_bars)
                fold = offer.fold
                if offer.row is not None:
                    own[symbol][candle.open_time] = offer.row
                    if symbol in tracks and candle.open_time > tracks[symbol].last_open_time:
                        tracks[symbol] = tracks[symbol].record(candle.open_time, offer.row)
                        context[symbol][candle.open_time] = tracks[symbol].rows[-1]
                done += 1
                if done % 500 == 0:
                    yield done, rows
    yield done, rows


def history_of(symbol: str, candles: Sequence[Candle]) -> History:
    """Candles as columns."""
    opened, *prices = (np.array(column) for column in zip(*candles, strict=True))
    return History(symbol, opened.astype(np.int64), *(column.astype(np.float64) for column in prices))


def issue_all(
    ledger: Ledger, rows: Rows, bars: Stretches, until: int
) -> Iterator[tuple[BookKey, int, int, tuple[float, ...]]]:
    """Every band of bars that close by `until`, calibrated in the order of time with the labels in `bars`.

    Yields the book, horizon, opening time, and σ with the five return quantiles.
    """
    for key, lives in ledger.lives.items():
        sha256, symbol = key
        bundle = ledger.bundles[sha256]
        history = history_of(symbol, [candle for part in bars[symbol] for candle in part.candles])
        place = {opened: number for number, opened in enumerate(history.open_time.tolist())}
        labels = {horizon: forward_returns(history, horizon) for horizon in HORIZONS}
        for life in lives:
            opened = [one for one in life if close_time(one) <= until]
            if not opened:
                continue
            inputs = np.array([rows.inputs(symbol, t, bundle, ledger.as_of.get((key, t))) for t in opened])
            own = [rows.own[symbol][t] for t in opened]
            contexts = [BandContext(row.close_time, row.volatility_ratio) for row in own]
            sigma = np.array([row.sigma for row in own])
            at = np.array([place[t] for t in opened])
            corrections = bundle.predictor.corrections(inputs)
            for number, head in enumerate(bundle.predictor.heads):
                unit = sigma * math.sqrt(head.horizon_bars)
                raw = np.array([head.standardised(one, symbol) for one in corrections[:, number]])
                targets = np.where(
                    [(key, head.horizon_bars, t) in ledger.issued for t in opened],
                    labels[head.horizon_bars][at] / unit,
                    np.nan,
                )
                issued, _ = serve_in_order(
                    head.calibrators[symbol], raw, contexts, targets, head.horizon_bars, until
                )
                quantiles = issued * unit[:, None]
                for t, s, band in zip(opened, sigma.tolist(), quantiles.tolist(), strict=True):
                    yield key, head.horizon_bars, t, (s, *band)
