"""River's Page-Hinkley as a value: its state goes in and comes out, and is JSON.

Of River only this detector's module is loaded: its package brings scikit-learn, pandas and SQLAlchemy along
with data sets nobody here reads, 1.3 s and 165 MB instead of 0.06 s and 5 MB.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple, Self

from contracts.model.drift import DetectorSpec


@cache
def preload() -> Any:
    """River's `PageHinkley`, loaded now, so that no bar waits for it."""
    package = find_spec("river")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "drift" / "page_hinkley.py"
    spec = spec_from_file_location("_river_page_hinkley", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PageHinkley


class PageHinkleyState(NamedTuple):
    """All of River's state, and how many inputs ago each cumulative sum was last at its turning point."""

    n: int
    mean: float
    rise: float
    fall: float
    low: float
    high: float
    drifted: bool
    since_low: int
    since_high: int

    @classmethod
    def start(cls, spec: DetectorSpec) -> Self:
        """A detector that has seen training's mean and no deviation from it."""
        return cls(spec.start_weight, spec.start_mean, 0.0, 0.0, math.inf, -1.0, False, 0, 0)

    def to_json(self) -> list[Any]:
        """The state as JSON types; the one infinity is null."""
        return [
            *self[:4],
            None if math.isinf(self.low) else self.low,
            self.high,
            int(self.drifted),
            *self[7:],
        ]

    @classmethod
    def from_json(cls, told: list[Any]) -> Self:
        """The inverse of `to_json`; raises ValueError or TypeError on anything else."""
        n, mean, rise, fall, low, high, drifted, since_low, since_high = told
        counts, levels = (n, since_low, since_high), (mean, rise, fall, high)
        known = all(isinstance(x, int | float) and math.isfinite(x) for x in levels)
        if not known or not all(isinstance(x, int) and x >= 0 for x in counts) or not 0 <= mean <= 1:
            raise ValueError(f"expected a Page-Hinkley state, found {told}")
        lowest = math.inf if low is None else float(low)
        if math.isnan(lowest) or lowest == -math.inf:
            raise ValueError(f"expected a Page-Hinkley state, found {told}")
        return cls(
            n,
            float(mean),
            float(rise),
            float(fall),
            lowest,
            float(high),
            bool(drifted),
            since_low,
            since_high,
        )

    @property
    def increase(self) -> float:
        """The statistic for a rise of the mean."""
        return self.rise - self.low

    @property
    def decrease(self) -> float:
        """The statistic for a fall of the mean."""
        return self.high - self.fall


def advance(spec: DetectorSpec, state: PageHinkleyState, x: float) -> PageHinkleyState:
    """The state after one input, finite and in [0, 1]: computed by River, whatever it was restored from."""
    detector = preload()(spec.min_instances, spec.delta, spec.threshold, spec.alpha, spec.mode)
    detector._x_mean.n, detector._x_mean._mean = float(state.n), state.mean
    detector._sum_increase, detector._sum_decrease = state.rise, state.fall
    detector._min_increase = state.low
    detector._max_decrease = state.high
    detector._drift_detected = state.drifted
    detector.update(x)
    average = detector._x_mean
    low, high, fresh = detector._min_increase, float(detector._max_decrease), state.drifted
    return PageHinkleyState(
        int(average.n),
        average._mean,
        detector._sum_increase,
        detector._sum_decrease,
        low,
        high,
        detector.drift_detected,
        0 if fresh or low < state.low else state.since_low + 1,
        0 if fresh or high > state.high else state.since_high + 1,
    )
