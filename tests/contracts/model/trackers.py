"""What every calibrator that tracks misses is asked, and the lessons it is asked with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import strategies as st

from contracts.model.conformal import (
    BandContext,
    Calibrator,
    CalibratorError,
    ClosedLabel,
    calibrator_from_json,
    calibrator_methods,
)
from contracts.model.grid import BAR_SECONDS, INTERVALS
from tests.contracts.model.labels import ALPHA, DELAY, LEVEL, Rows, hits, live, returns

FLAT = (-2.0, -1.0, 0.0, 1.0, 2.0)

UNJUDGEABLE = [
    ClosedLabel(FLAT, FLAT, 0.0, BandContext(10**6, 1.0), 10**6),  # closed with its own bar
    ClosedLabel(FLAT, FLAT, math.nan, BandContext(0, 1.0), 10**6),
    ClosedLabel(FLAT, FLAT, math.inf, BandContext(0, 1.0), 10**6),
    ClosedLabel(FLAT, FLAT[::-1], 0.0, BandContext(0, 1.0), 10**6),
    ClosedLabel(FLAT, FLAT[:4], 0.0, BandContext(0, 1.0), 10**6),
    ClosedLabel(FLAT, (math.nan,) * 5, 0.0, BandContext(0, 1.0), 10**6),
]
STALE = ClosedLabel(FLAT, FLAT, 0.0, BandContext(0, 1.0), 10**6 - 1)
"""Closed before the newest, where that one closed at 10**6."""

rows = st.lists(st.floats(-3, 3), min_size=5, max_size=5).map(sorted)
labels = st.floats(-9, 9)

C = TypeVar("C", bound=Calibrator)


def fitted(n: int = 500) -> tuple[Rows, Rows]:
    """Held-out quantiles that are right, and their labels."""
    return np.tile(LEVEL, (n, 1)), np.random.default_rng(1).normal(size=n)


def lesson(at: int, y: float, ratio: float = 1.0) -> ClosedLabel:
    """The label of a band issued flat at bar `at`."""
    context = BandContext(at * BAR_SECONDS, ratio)
    return ClosedLabel(FLAT, FLAT, y, context, closed_at=(at + DELAY) * BAR_SECONDS)


def assert_covers_in_the_long_run(
    start: C, step: float, kind: str, moved: Callable[[C], Mapping[float, float]], gain: float = 0.0
) -> None:
    """The bound that the docstrings give, from zero: `moved` is what telescopes, `gain` the outer's reach.

    No error rate: it holds for every sequence of labels, so a failure is a fault.
    """
    n = 8000
    y = np.clip(returns(np.random.default_rng(2021), n, kind), -5, 5)
    end, bands = live(start, y)
    assert isinstance(end, type(start))
    taught = n - DELAY
    for coverage, alpha in ALPHA.items():
        b = 5 + abs(LEVEL[INTERVALS[coverage][0]])  # every score lies within [-b, b]
        covered = hits(bands, y, coverage)[:taught].mean()
        bound = ((2 * b + (gain if coverage == 0.90 else 0.0)) / step + DELAY + 1) / taught
        assert bound < 0.11
        assert abs(covered - (1 - alpha)) <= bound
        # The moves telescope: the miss rate can be read off the widening.
        assert 1 - covered == pytest.approx(alpha + moved(end)[coverage] / (step * taught), abs=1e-9)


def assert_goes_on_after_a_pause(
    calibrator: Calibrator, lessons: Iterable[tuple[list[float], float, float]], pause: int
) -> None:
    """Saved and restored before lesson `pause` it stays the same, and all its bands are nested.

    A lesson is the quantiles, the label and the volatility ratio.
    """
    whole = parts = calibrator
    for i, (quantiles, y, ratio) in enumerate(lessons):
        if i == pause:
            parts = calibrator_from_json(json.loads(json.dumps(parts.to_json(), allow_nan=False)))
        at = BandContext(i * BAR_SECONDS, ratio)
        band = whole.interval(quantiles, at)
        assert (np.diff(band) >= 0).all()
        assert band.tobytes() == parts.interval(quantiles, at).tobytes()
        closed_at = (i + DELAY) * BAR_SECONDS
        taught = ClosedLabel(tuple(quantiles), tuple(band.tolist()), y, at, closed_at)
        whole, parts = whole.update(taught), parts.update(taught)
    assert parts == whole


def assert_refuses(good: Mapping[str, Any], change: Mapping[str, Any]) -> None:
    """`good` is a state, with `change` it is none."""
    restore = calibrator_methods()[good["method"]].from_json
    assert restore(good).to_json() == good
    with pytest.raises(CalibratorError, match="Expected"):
        restore({**good, **change})
