"""Page-Hinkley over many streams and thresholds at once: River's arithmetic, in the same order.

One pass with River takes 0.4 µs an input and threshold; the simulation needs half a thousand symbol-years
for each of two dozen thresholds. A test demands River's own alarms, bar for bar.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift import DetectorSpec

Array = NDArray[np.float64]


def alarms(inputs: Array, specs: Sequence[DetectorSpec], thresholds: Array, quiet_bars: int) -> Array:
    """How often each stream reports under each threshold, shape (streams, thresholds).

    `inputs` is (bars, streams, detectors), `specs` one per detector, `thresholds` (thresholds,) stands for
    theirs. All detectors of a stream share one quiet time, as the horizons of a channel do in a watch.
    """
    reports = np.zeros((inputs.shape[1], len(thresholds)))
    for _, said in _walk(inputs, specs, thresholds, quiet_bars):
        reports += said
    return reports


def first_alarms(inputs: Array, specs: Sequence[DetectorSpec], thresholds: Array) -> NDArray[np.int64]:
    """Bar of each stream's first alarm, -1 without one; shape (streams, thresholds)."""
    first = np.full((inputs.shape[1], len(thresholds)), -1)
    for bar, said in _walk(inputs, specs, thresholds, 0):
        first[said & (first < 0)] = bar
    return first


def _walk(  # type: ignore[no-untyped-def]
    inputs: Array, specs: Sequence[DetectorSpec], thresholds: Array, quiet_bars: int
):
    """Yield every bar on which a stream reports, with which ones, (streams, thresholds)."""
    _, streams, detectors = inputs.shape
    shape = (streams, detectors, len(thresholds))
    column = {
        name: np.array([getattr(one, name) for one in specs], dtype=np.float64)[None, :, None]
        for name in ("min_instances", "delta", "alpha", "start_mean", "start_weight")
    }
    up = np.array([one.mode != "down" for one in specs])[None, :, None]
    down = np.array([one.mode != "up" for one in specs])[None, :, None]
    n, mean = (np.broadcast_to(column[name], shape).copy() for name in ("start_weight", "start_mean"))
    rise, fall = np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -1.0)
    drifted, any_drifted = np.zeros(shape, dtype=bool), False
    quiet_until = np.zeros((streams, len(thresholds)), dtype=np.int64)
    for bar, x in enumerate(inputs):
        if any_drifted:
            n[drifted] = mean[drifted] = rise[drifted] = fall[drifted] = 0.0
            low[drifted], high[drifted] = np.inf, -1.0
        value = x[:, :, None]
        n += 1.0
        mean += (1.0 / n) * (value - mean)
        deviation = value - mean
        if up.any():
            rise = column["alpha"] * rise + deviation - column["delta"]
            np.minimum(low, rise, out=low)
            drifted = up & (rise - low > thresholds)
        else:
            drifted = np.zeros(shape, dtype=bool)
        if down.any():
            fall = column["alpha"] * fall + deviation + column["delta"]
            np.maximum(high, fall, out=high)
            drifted |= down & (high - fall > thresholds)
        drifted &= n >= column["min_instances"]
        any_drifted = bool(drifted.any())
        if any_drifted:
            said = drifted.any(axis=1) & (bar >= quiet_until)
            quiet_until[said] = bar + quiet_bars
            yield bar, said
