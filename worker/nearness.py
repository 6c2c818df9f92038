"""How near each drift channel is to an alarm, as one number: 0 is nowhere, above 1 is an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.model.bundle import Bundle
from contracts.model.drift import DetectorSpec
from contracts.model.drift.reference import adjusted, distance
from worker.drift import Watch, WatchError
from worker.drift.page_hinkley import PageHinkleyState

Ratios = Mapping[str, float]


@dataclass(slots=True)
class Nearness:
    """The ratios by symbol, kept until its watch has seen something new."""

    _known: dict[str, tuple[Any, Ratios]] = field(default_factory=dict)

    def of(self, symbol: str, bundle: Bundle, watch: Watch | Mapping[str, Any] | None) -> Ratios:
        """By channel the ratio of the horizon nearest to its alarm; empty for a watch there is none of.

        `watch` may be as it was put away.
        """
        known = self._known.get(symbol)
        if known is not None and known[0] is watch:
            return known[1]
        told = ratios(_restored(bundle, watch))
        self._known[symbol] = (watch, told)
        return told


def ratios(watch: Watch | None) -> dict[str, float]:
    """By channel, how near the watch is to a finding.

    A detector's statistic over its threshold; 0 while it has seen too little to speak. Features: the
    logarithm of the least adjusted p-value over that of the level, 0 before the first window is full.
    """
    if watch is None:
        return {}
    told: dict[str, float] = {}
    for spec in watch.spec.detectors:
        told[spec.channel] = max(told.get(spec.channel, 0.0), _detector(spec, watch.states[spec.name]))
    if watch.weeks is not None:
        told["features"] = _features(watch)
    return told


def _detector(spec: DetectorSpec, state: PageHinkleyState) -> float:
    if state.n < spec.min_instances:
        return 0.0
    moved = {"up": (state.increase,), "down": (state.decrease,)}.get(
        spec.mode, (state.increase, state.decrease)
    )
    statistic = max(moved)
    return max(0.0, statistic / spec.threshold) if math.isfinite(statistic) else 0.0


def _features(watch: Watch) -> float:
    spec, reference, weeks = watch.spec.features, watch.reference, watch.weeks
    if spec is None or reference is None or weeks is None or len(weeks.full) < spec.weeks:
        return 0.0
    least = float(adjusted(reference.p_values(distance(weeks.window))).min())
    return math.log(max(least, 1e-300)) / math.log(spec.level)


def _restored(bundle: Bundle, watch: Watch | Mapping[str, Any] | None) -> Watch | None:
    if watch is None or isinstance(watch, Watch):
        return watch
    spec = bundle.manifest.drift
    if spec is None:
        return None
    try:
        return Watch.from_json(spec, bundle.reference, watch)
    except WatchError:  # of a release that watched otherwise
        return None
