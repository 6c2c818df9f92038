from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.labels import forward_returns, label_close_times, target_rows


def history_at(places: list[int]) -> History:
    close = np.exp(np.array(places, dtype=float) * 0.01 + np.arange(len(places)) ** 2 * 0.001)
    times = BAR_SECONDS * np.array(places, dtype=np.int64)
    return History("A", times, close, close, close, close, close)


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 12))
def test_labels_are_found_by_time(places: set[int], horizon: int) -> None:
    history = history_at(sorted(places))
    price = dict(zip(history.open_time.tolist(), history.close.tolist(), strict=True))
    for time, close, label, known in zip(
        history.open_time.tolist(),
        history.close.tolist(),
        forward_returns(history, horizon),
        label_close_times(history, horizon).tolist(),
        strict=True,
    ):
        target = time + horizon * BAR_SECONDS
        assert known == target + BAR_SECONDS
        if target in price:
            assert label == pytest.approx(np.log(price[target] / close))
        else:
            assert np.isnan(label)


def test_misuse_and_nothing() -> None:
    with pytest.raises(ValueError, match="at least 1 bar, found 0"):
        target_rows(history_at([0, 1]), 0)
    assert len(forward_returns(history_at([]), 3)) == 0
