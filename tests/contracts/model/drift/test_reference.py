"""Feature distances, their p-values, and false-discovery control."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control

from contracts.model.drift import DriftReference
from contracts.model.drift.reference import adjusted, distance, percentiles
from offline.drift import FeatureNull
from offline.train.reference import encode_reference

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5_000, 3))


@given(arrays(np.float64, 12, elements=st.floats(1e-12, 1.0)))
def test_adjusted_values_are_scipys(p_values: np.ndarray) -> None:
    np.testing.assert_allclose(adjusted(p_values), false_discovery_control(p_values), rtol=1e-12)


def test_the_reference_survives_its_file(rows: np.ndarray) -> None:
    null = FeatureNull(np.tile(np.linspace(0, 0.3, 46), (3, 1)), np.full(3, 0.05))
    read = DriftReference.from_bytes(encode_reference(rows, NAMES, null))
    assert read.names == NAMES
    assert read.null is not None
    assert read.tail is not None
    np.testing.assert_array_equal(read.null, null.quantiles)
    np.testing.assert_array_equal(read.edges, percentiles(rows)[:, 10:100:10])
    assert DriftReference.from_bytes(encode_reference(rows, NAMES)).null is None


def test_training_rows_fill_the_bins_evenly(rows: np.ndarray) -> None:
    reference = DriftReference.from_bytes(encode_reference(rows, NAMES))
    counts = np.zeros((3, 10), np.int64)
    for row in rows:
        counts[np.arange(3), reference.bins(row)] += 1
    assert np.abs(counts - 500).max() <= 5
    assert distance(counts).max() < 0.002


def test_p_values_fall_and_go_on_beyond_what_training_saw(rows: np.ndarray) -> None:
    null = FeatureNull(np.tile(np.linspace(0.1, 0.4, 46), (3, 1)), np.full(3, 0.05))
    reference = DriftReference.from_bytes(encode_reference(rows, NAMES, null))
    at = np.linspace(0.0, 1.0, 201)
    p_values = reference.p_values(np.tile(at[:, None], (1, 3)))
    assert (np.diff(p_values, axis=0) <= 1e-12).all()
    assert p_values[0].tolist() == [1.0] * 3
    assert p_values[at == 0.4][0] == pytest.approx([0.1] * 3)
    assert p_values[-1] == pytest.approx([0.1 * np.exp(-0.6 / 0.05)] * 3)


def test_a_reference_without_a_null_says_so(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="train the bundle again"):
        DriftReference.from_bytes(encode_reference(rows, NAMES)).p_values(np.zeros((1, 3)))
