"""Every bar is served once, by a fit that lies before it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.leaderboard import EveryDays, EveryMonths, cadence
from offline.leaderboard.calendar import Cadence

TIMES = st.integers(1_500_000_000, 1_700_000_000)
CADENCES = st.one_of(
    st.builds(EveryDays, st.integers(20, 400)), st.builds(EveryMonths, st.sampled_from([1, 3, 6, 12]))
)


@given(CADENCES, TIMES, st.integers(1, 100_000_000))
def test_every_bar_is_served_once_and_after_its_fit(every: Cadence, begin: int, length: int) -> None:
    refits = every.refits(begin, begin + length)
    assert refits[0].begin == begin
    assert refits[-1].stop == begin + length
    assert all(one.stop == two.begin for one, two in pairwise(refits))
    assert all(refit.start <= refit.begin < refit.stop for refit in refits)


def test_a_cadence_is_days_or_has_a_name() -> None:
    assert [cadence("7"), cadence("year")] == [EveryDays(7), EveryMonths(12)]
    with pytest.raises(ValueError, match="found 'weekly'"):
        cadence("weekly")
    with pytest.raises(ValueError, match="at least one day"):
        cadence("0")
