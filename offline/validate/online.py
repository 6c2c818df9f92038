"""Calibration in the order of time: a label teaches when it has closed, never before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext, Calibrator, ClosedLabel
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import CONTEXT_MEMORY_BARS

Array = NDArray[np.float64]

Opening = Callable[[Calibrator, Calibrator | None], Calibrator]
"""Which calibrator a symbol opens a window with, given the refit's own and the one the symbol ended the
window before with (None in the first)."""


def fresh(refitted: Calibrator, previous: Calibrator | None) -> Calibrator:  # noqa: ARG001 - the interface's
    """The refit's own calibrator: it has been calibrated on every label closed by then."""
    return refitted


def volatility_ratios(symbol: NDArray[np.int64], sigma: Array) -> Array:
    """Each row's scale over the geometric mean of its symbol's last 1,000 (fewer at the start), shape (n,).

    Rows are in time order; a row's ratio uses itself and earlier rows only.
    """
    answer = np.ones(len(sigma))
    for one in np.unique(symbol):
        mine = symbol == one
        logs = pd.Series(np.log(sigma[mine]))
        answer[mine] = np.exp(logs - logs.rolling(CONTEXT_MEMORY_BARS, min_periods=1).mean())
    return answer


def serve_in_order(
    calibrator: Calibrator,
    still_open: Iterable[ClosedLabel],
    quantiles: Array,
    contexts: Iterable[BandContext],
    labels: Array,
    horizon: int,
    until: int,
) -> tuple[Array, Calibrator]:
    """Calibrate one symbol's rows, in the order of time, and learn from each label as it closes.

    `quantiles` (n, 5) are rearranged and standardised, `labels` (n,) the standardised returns, NaN where
    there is none. `still_open` are labels of earlier bands, in closing order. A label that closes with
    the very bar a band is issued at has taught before it. Returns the issued quantiles (n, 5), infinite
    where the calibrator has too few scores, and the calibrator after every label closed by `until`.
    """
    queue = deque(still_open)
    issued = np.empty_like(quantiles)
    for number, (raw, context, label) in enumerate(zip(quantiles, contexts, labels, strict=True)):
        while queue and queue[0].closed_at <= context.close_time:
            calibrator = calibrator.update(queue.popleft())
        issued[number] = calibrator.interval(raw, context)
        if np.isfinite(label):
            closed_at = context.close_time + horizon * BAR_SECONDS
            queue.append(
                ClosedLabel(
                    tuple(raw.tolist()), tuple(issued[number].tolist()), float(label), context, closed_at
                )
            )
    while queue and queue[0].closed_at <= until:
        calibrator = calibrator.update(queue.popleft())
    return issued, calibrator
