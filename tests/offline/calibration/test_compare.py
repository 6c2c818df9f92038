"""The comparison of calibrators: every candidate on the same rows, none of them ahead of its time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.model.conformal import SplitCQR
from contracts.model.grid import BAR_SECONDS
from offline.calibration import CANDIDATES, CalibrationChoice, HeldOut, compare
from offline.calibration.compare import BURN_IN_DAYS, REFIT_DAYS, scored_rows, serve
from tests.offline.calibration.rows import HORIZON, START, held_out

DAY = 86_400
DAYS = BURN_IN_DAYS + 100


@pytest.fixture(scope="module")
def held() -> HeldOut:
    """A row a day of two symbols, a hundred days more than the burn-in."""
    return held_out(DAYS, step_bars=6)


@pytest.mark.parametrize("choice", CANDIDATES, ids=lambda choice: choice.label)
def test_labels_that_close_later_change_no_band_issued_by_then(
    held: HeldOut, choice: CalibrationChoice
) -> None:
    moment = START + (BURN_IN_DAYS + 2 * REFIT_DAYS) * DAY
    later = held.close_time + HORIZON * BAR_SECONDS > moment
    changed = replace(held, targets=np.where(later, held.targets * 4.0 + 7.0, held.targets))
    before, after = serve(held, choice).issued, serve(changed, choice).issued
    by_then = scored_rows(held).close_time <= moment
    assert np.array_equal(before[by_then], after[by_then])
    if choice.method != "rolling_cqr" or choice.window_days in (30, 60):
        assert np.isfinite(before).all()


def test_split_is_calibrated_anew_every_month_on_what_has_closed(held: HeldOut) -> None:
    issued = serve(held, CalibrationChoice("split_cqr")).issued
    rows = scored_rows(held)
    assert len(rows) == len(issued) == 2 * 100
    for month in range(4):
        begin = START + (BURN_IN_DAYS + month * REFIT_DAYS) * DAY
        known = held.close_time + HORIZON * BAR_SECONDS <= begin
        expected = SplitCQR.calibrate(held.raw[known], held.targets[known])
        now = (rows.close_time >= begin) & (rows.close_time < begin + REFIT_DAYS * DAY)
        assert now.any()
        assert np.array_equal(issued[now], expected.interval(rows.raw[now]))


def test_adaptive_learns_a_symbols_own_level(held: HeldOut) -> None:
    """AAA moves more than all together, BBB less: after a while only the tracker knows."""
    rows = scored_rows(held)
    fast, split = (
        serve(held, choice).issued
        for choice in (CalibrationChoice("adaptive_cqr", step=0.05), CalibrationChoice("split_cqr"))
    )
    late = rows.close_time >= START + (BURN_IN_DAYS + 60) * DAY
    wider = {n: (fast[:, 4] - split[:, 4])[late & (rows.symbol == n)] for n in range(2)}
    assert (wider[0] > 0).all()
    assert (wider[1] < 0).all()


def test_processes_answer_as_one_and_in_order(held: HeldOut) -> None:
    candidates = (CalibrationChoice("split_cqr"), CalibrationChoice("adaptive_cqr", step=0.01))
    told: list[tuple[int, int]] = []
    served = compare([held], candidates, threads=2, progress=lambda _, n, total: told.append((n, total)))
    assert [one.choice for one in served] == list(candidates)
    for one in served:
        assert np.array_equal(one.issued, serve(held, one.choice).issued)
    assert told == [(1, 2), (2, 2)]


def test_too_short_a_history_is_told() -> None:
    with pytest.raises(ValueError, match=r"expected more than 730 days of rows to compare.*found 99"):
        compare([held_out(100, step_bars=6)])
