"""All thresholds of a bundle, to one budget of false alarms per symbol and year."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.drift import Channel, DetectorSpec, DriftSpec
from contracts.model.drift.inputs import WIDTH_CLIP
from contracts.model.drift.reference import percentiles
from contracts.model.drift.spec import ChannelRate
from contracts.model.grid import HORIZONS
from contracts.model.spec import RING_BARS
from offline.dataset import Dataset
from offline.drift.bootstrap import resample, without_level
from offline.drift.features import FeatureNull, feature_null, find_level, weekly_distances
from offline.drift.observations import Issued, label_series, width_series
from offline.drift.plan import DriftPlan
from offline.drift.search import YEAR_BARS, find_threshold, rate_in_order

Array = NDArray[np.float64]

QUIET_BARS = 84
"""Two weeks: one break is one report of a channel."""
WIDTH_BLOCK_BARS = 42
LABEL_BLOCK_BARS = 126
"""Two of the longest horizon and more: labels a block apart share nothing."""
LEVEL_BARS = 3 * RING_BARS
"""180 days: a level of volatility that outlasts it is what the width channel looks for. On simulated markets
without regimes removing 60 days let through 2.2 findings a year and 120 days 1.3 to 1.6."""
WIDTH_DELTA = 0.5
"""Of the mean input: half of what a regime of 1.5 adds once the bands have begun to follow it."""
START_BARS = 540
"""Weight of training's mean, 90 days: a new bundle sees a break in its first weeks."""
LEAST_YEARS = 1.0
"""Of the longest symbol: fewer hold too few blocks to simulate a year from."""

_LABELS: dict[Channel, tuple[str, float, float]] = {
    "coverage": ("both", 0.08, 0.1),
    "loss": ("up", 0.06, 0.25),
    "pit": ("both", 0.06, 0.5),
}
"""Mode, delta and expected mean of the label channels. The deltas find returns 1.5 times as wide soonest at
0.1 to 0.2 false alarms a year (simulated): after about 1,000 bars; PIT finds halved ones after 700."""
DEFAULT_THRESHOLDS: dict[Channel, float] = {"width": 40.0, "coverage": 100.0, "loss": 90.0, "pit": 100.0}
"""For want of history, of width in units of its mean input: between what simulated markets and coins gave."""


def calibrate_drift(
    issued: Sequence[Issued], dataset: Dataset, histories: Sequence[History], plan: DriftPlan
) -> tuple[DriftSpec, FeatureNull | None]:
    """The drift part of a manifest, and the features' null for `reference.npz`. Seeded: same in, same out.

    Streams of `plan.years` years are resampled from the held-out rows of all symbols, detectors run over
    them, and each channel gets the least threshold that keeps its share of the budget, with a margin. With
    less than a year of rows thresholds are defaults, the spec says so, and features are not watched.
    """
    widths = width_series(issued[HORIZONS.index(42)], histories)
    labels = label_series(issued)
    longest = max(map(len, widths))
    if longest < LEAST_YEARS * YEAR_BARS or max(map(len, labels["coverage"])) < LEAST_YEARS * YEAR_BARS:
        note = (
            f"thresholds are defaults: {longest} held-out bars of the longest symbol are fewer than the "
            f"{LEAST_YEARS * YEAR_BARS:.0f} they are calibrated on"
        )
        return _default(widths, plan, note), None
    detectors: list[DetectorSpec] = []
    rates: dict[Channel, ChannelRate] = {}
    for channel, series, steady, block in _channels(widths, labels):
        specs = _specs(channel, series)
        bars = plan.years * YEAR_BARS
        streams = resample(steady, bars, plan.replicates, block, plan.seed)
        found = find_threshold(streams, specs, 20 * specs[0].delta, plan.target(channel), QUIET_BARS)
        detectors += [one.model_copy(update={"threshold": found.threshold}) for one in specs]
        history = rate_in_order(series, specs, found.threshold, QUIET_BARS)
        rates[channel] = ChannelRate(budget=plan.budget(channel), simulated=found.per_year, history=history)
    distances = weekly_distances(dataset, percentiles(dataset.rows))
    null = feature_null(distances)
    names, target = dataset.spec.names, plan.target("features")
    features, rate = find_level(distances, names, target, QUIET_BARS)
    rates["features"] = ChannelRate(budget=plan.budget("features"), simulated=rate, history=rate)
    spec = DriftSpec(
        calibrated=True,
        note=(
            f"calibrated on {sum(map(len, widths))} held-out bars of {len(widths)} symbols, "
            f"{plan.replicates * plan.years} simulated symbol-years a channel"
        ),
        budget_per_year=plan.budget_per_year,
        quiet_bars=QUIET_BARS,
        detectors=tuple(detectors),
        features=features,
        rates=rates,
    )
    return spec, null


def _channels(
    widths: list[Array], labels: dict[str, list[Array]]
) -> list[tuple[Channel, list[Array], list[Array], int]]:
    """Every channel with its inputs in order, the inputs to resample, and the length of a block."""
    steady = [_clipped(without_level(one, LEVEL_BARS)) for one in widths]
    channels: list[tuple[Channel, list[Array], list[Array], int]] = [
        ("width", [_clipped(one) for one in widths], steady, WIDTH_BLOCK_BARS)
    ]
    return channels + [(name, labels[name], labels[name], LABEL_BLOCK_BARS) for name in _LABELS]


def _clipped(ratios: Array) -> Array:
    inputs: Array = np.minimum(ratios, WIDTH_CLIP)[:, None] / WIDTH_CLIP
    return inputs


def _specs(channel: Channel, series: Sequence[Array]) -> list[DetectorSpec]:
    """A channel's detectors, one for each column of its inputs; thresholds are still the defaults."""
    rows = np.concatenate(series)
    if channel == "width":
        return [_width(float(rows.mean()) if len(rows) else 0.15)]
    return [
        _label(channel, horizon, float(mean)) for horizon, mean in zip(HORIZONS, rows.mean(0), strict=True)
    ]


def _width(mean: float) -> DetectorSpec:
    return DetectorSpec(
        channel="width",
        min_instances=90,
        delta=WIDTH_DELTA * mean,
        threshold=DEFAULT_THRESHOLDS["width"] * mean,
        mode="up",
        start_mean=mean,
        start_weight=START_BARS,
    )


def _label(channel: Channel, horizon: int, mean: float) -> DetectorSpec:
    mode, delta, _ = _LABELS[channel]
    return DetectorSpec.model_validate(
        {
            "channel": channel,
            "horizon_bars": horizon,
            "min_instances": 250,
            "delta": delta,
            "threshold": DEFAULT_THRESHOLDS[channel],
            "mode": mode,
            "start_mean": mean,
            "start_weight": START_BARS,
        }
    )


def _default(widths: Sequence[Array], plan: DriftPlan, note: str) -> DriftSpec:
    detectors = _specs("width", [_clipped(one) for one in widths])
    for channel, (_, _, mean) in _LABELS.items():
        detectors += [_label(channel, horizon, mean) for horizon in HORIZONS]
    return DriftSpec(
        calibrated=False,
        note=note,
        budget_per_year=plan.budget_per_year,
        quiet_bars=QUIET_BARS,
        detectors=tuple(detectors),
    )
