"""Detector inputs: in [0, 1] or none, and the same for one bar as for a column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model.drift import implied_scale, loss_input, spread_input, width_input
from contracts.model.drift.inputs import WIDTH_CLIP, width_ratios

anything = st.floats(allow_nan=True, allow_infinity=True)


@given(anything, anything, anything)
def test_whatever_comes_an_input_is_in_the_unit_interval_or_none(a: float, b: float, c: float) -> None:
    for x in (width_input(a, b, c), loss_input(a, b, 42), spread_input(a)):
        assert x is None or 0.0 <= x <= 1.0
    if not all(map(math.isfinite, (a, b, c))):
        assert width_input(a, b, c) is None


@given(st.floats(-0.3, 0.3), st.floats(0.0, 0.5), st.floats(1e-4, 0.1))
def test_a_bar_alone_is_a_bar_in_a_column(log_return: float, log_range: float, scale: float) -> None:
    (ratio,) = width_ratios(np.array([log_return]), np.array([log_range]), np.array([scale]))
    assert width_input(log_return, log_range, scale) == pytest.approx(min(ratio, WIDTH_CLIP) / WIDTH_CLIP)


def test_width_is_free_of_scale_and_grows_with_the_range() -> None:
    assert width_input(0.02, 0.03, 0.02) == pytest.approx(width_input(0.2, 0.3, 0.2))
    narrow, wide = width_input(0.0, 0.01, 0.01), width_input(0.0, 0.02, 0.01)
    assert narrow is not None
    assert wide is not None
    assert wide == pytest.approx(4 * narrow)


def test_the_scale_of_a_normal_band_is_its_standard_deviation() -> None:
    sigma, horizon = 0.013, 48
    edge = 1.6448536269514722 * sigma * math.sqrt(horizon)
    assert implied_scale(-edge, edge, horizon) == pytest.approx(sigma)
