"""What the detectors would have been told of every held-out row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import Calibrator
from contracts.model.candle import History
from contracts.model.drift.inputs import LOSS_CLIP, NORMAL_SPAN, width_ratios
from contracts.model.grid import BAR_SECONDS
from contracts.model.scores import hits, pinball, pit
from offline.calibration import HeldOut

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Issued:
    """One horizon's held-out rows and the calibrated quantiles (n, 5) of each, in units of σ√T.

    Calibrated as they ship, not in the order of time: a tracker moves the bands by a hundredth of what a
    detector looks for, and serving every row anew would double the time of a training run.
    """

    held: HeldOut
    quantiles: Array

    @classmethod
    def of(cls, held: HeldOut, calibrators: Mapping[str, Calibrator]) -> Self:
        """Every row under its own symbol's calibrator."""
        quantiles = np.full_like(held.raw, np.nan)
        for number, name in enumerate(held.symbols):
            mine = held.symbol == number
            if mine.any():
                own = held.rows(mine)
                quantiles[mine] = calibrators[name].interval(own.raw, own.contexts)
        return cls(held, quantiles)


def width_series(issued: Issued, histories: Sequence[History]) -> list[Array]:
    """Per symbol, variance over implied variance of the bar after each row's, before clipping; each (n,)."""
    bars = {history.symbol: history for history in histories}
    held = issued.held
    spans = issued.quantiles[:, -1] - issued.quantiles[:, 0]
    scale = spans * held.sigma / NORMAL_SPAN
    series = []
    for number, name in enumerate(held.symbols):
        mine = np.flatnonzero(held.symbol == number)
        history = bars[name]
        # The bar that opens when a row's bar closes, and the row's own bar just before it.
        at = np.searchsorted(history.open_time, held.close_time[mine])
        inside = np.minimum(at, len(history) - 1)
        follows = (at > 0) & (history.open_time[inside] == held.close_time[mine])
        follows &= history.open_time[np.maximum(inside - 1, 0)] == held.close_time[mine] - BAR_SECONDS
        follows &= np.isfinite(scale[mine]) & (scale[mine] > 0)
        at, mine = inside[follows], mine[follows]
        log_return = np.log(history.close[at] / history.close[at - 1])
        log_range = np.log(history.high[at] / history.low[at])
        series.append(width_ratios(log_return, log_range, scale[mine]))
    return series


def label_series(issued: Sequence[Issued]) -> dict[str, list[Array]]:
    """Per label channel and symbol the inputs of all horizons, (n, horizons), where all have a label."""
    told: dict[str, list[Array]] = {"coverage": [], "loss": [], "pit": []}
    for number in range(len(issued[0].held.symbols)):
        of_horizon = [_inputs(one, number) for one in issued]
        common = of_horizon[0][0]
        for times, _ in of_horizon[1:]:
            common = np.intersect1d(common, times)
        for column, channel in enumerate(told):
            told[channel].append(
                np.column_stack(
                    [values[np.searchsorted(times, common), column] for times, values in of_horizon]
                )
            )
    return told


def _inputs(issued: Issued, number: int) -> tuple[NDArray[np.int64], Array]:
    """Issue times of a symbol's rows and their coverage, loss and PIT inputs, (n, 3)."""
    held = issued.held
    mine = (held.symbol == number) & np.isfinite(issued.quantiles).all(axis=1)
    y, q = held.targets[mine], issued.quantiles[mine]
    columns = (
        1.0 - hits(y, q, 0.90),
        np.minimum(pinball(y, q).mean(axis=1), LOSS_CLIP) / LOSS_CLIP,
        np.abs(2.0 * pit(y, q) - 1.0),
    )
    return held.close_time[mine], np.column_stack(columns)
