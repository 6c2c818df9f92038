"""What a detector saw, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift import DetectorSpec
from contracts.model.drift.inputs import LOSS_CLIP
from contracts.model.grid import BAR_SECONDS, iso
from worker.drift.page_hinkley import PageHinkleyState

NAMED_FEATURES = 5


def of_detector(spec: DetectorSpec, state: PageHinkleyState, at: int) -> str:
    """Where the mean was and where it went: since its turning point the inputs average `now`."""
    rising = state.increase > spec.threshold if spec.mode != "down" else False
    since = state.since_low if rising else state.since_high
    excess = state.increase if rising else -state.decrease
    # The turning point's own input belongs to the time before it.
    bars = max(since, 1)
    now = min(max(state.mean + excess / bars + (spec.delta if rising else -spec.delta), 0.0), 1.0)
    when = iso(at - bars * BAR_SECONDS)[:10]
    days = bars * BAR_SECONDS / 86_400
    span = f"the last {days:.0f} days (since about {when})"
    match spec.channel:
        case "width":
            wider = (now / spec.start_mean) ** 0.5 if spec.start_mean > 0 else float("inf")
            return (
                f"bars of {span} moved {wider:.2f} times as far as the bands implied, measured by what "
                "they moved in training"
            )
        case "coverage":
            return (
                f"of the T{spec.horizon_bars} bands that closed in {span} the 90 % interval held "
                f"{1 - now:.0%} of outcomes; before it held {1 - state.mean:.0%}"
            )
        case "loss":
            return (
                f"T{spec.horizon_bars} bands that closed in {span} lost {now * LOSS_CLIP:.3f} of the scale "
                f"(pinball over σ√T); before they lost {state.mean * LOSS_CLIP:.3f}"
            )
        case "pit":
            where = "nearer the edges of" if rising else "nearer the middle of"
            return (
                f"outcomes of {span} fell {where} the T{spec.horizon_bars} bands: their mean distance "
                f"from the median is {now:.2f} of the way out, before {state.mean:.2f}"
            )


def of_features(
    names: Sequence[str], counts: NDArray[np.int64], adjusted: NDArray[np.float64], level: float
) -> str:
    """Which features left their training distribution, the surest first; `counts` is (features, 10)."""
    found = [int(f) for f in np.argsort(adjusted, kind="stable") if adjusted[f] <= level]
    rows = int(counts[0].sum())
    told = []
    for feature in found[:NAMED_FEATURES]:
        above = counts[feature, 5:].sum() / rows
        told.append(f"{names[feature]} ({above:.0%} of rows above the training median)")
    more = f" and {len(found) - NAMED_FEATURES} more" if len(found) > NAMED_FEATURES else ""
    days = rows * BAR_SECONDS / 86_400
    return (
        f"{len(found)} of {len(names)} features of the last {days:.0f} days lie where training's windows of "
        f"that length did not: {', '.join(told)}{more}"
    )
