"""Calibration in the order of time: a label teaches when it has closed, never before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext, Calibrator, ClosedLabel
from contracts.model.grid import BAR_SECONDS

Array = NDArray[np.float64]


def serve_in_order(
    calibrator: Calibrator,
    quantiles: Array,
    contexts: Iterable[BandContext],
    labels: Array,
    horizon: int,
    until: int,
) -> tuple[Array, Calibrator]:
    """Calibrate one symbol's rows, in the order of time, and learn from each label as it closes.

    `quantiles` (n, 5) are rearranged and standardised, `labels` (n,) the standardised returns, NaN where
    there is none. A label that closes with
    the very bar a band is issued at has taught before it. Returns the issued quantiles (n, 5), infinite
    where the calibrator has too few scores, and the calibrator after every label closed by `until`.
    """
    queue: deque[ClosedLabel] = deque()
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
