"""Labels teach in the order of their closing, and what has not closed teaches nothing."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.model.calibrator import BandContext, Calibrator
from contracts.model.conformal import AdaptiveCQR, MondrianAdaptiveCQR, RollingCQR, TwoSpeedCQR
from contracts.model.grid import BAR_SECONDS
from offline.calibration import HeldOut, serve_in_order
from tests.offline.calibration.diary import Diary
from tests.offline.calibration.rows import HORIZON, held_out

LEARNERS = [
    AdaptiveCQR(0.1, 0.1, 0.02),
    TwoSpeedCQR(0.1, 0.1, step=0.02),
    MondrianAdaptiveCQR(
        edges=(1.0,),
        regimes=(AdaptiveCQR(0.1, 0.1, 0.02), None),
        pooled=AdaptiveCQR(0.0, 0.0, 0.02),
    ),
    RollingCQR.calibrate(held_out(50).raw, held_out(50).targets, window_days=30, min_scores=20),
]
every = pytest.mark.parametrize("calibrator", LEARNERS, ids=lambda one: one.method)


def own(n_bars: int = 200) -> HeldOut:
    held = held_out(n_bars)
    return held.rows(held.symbol == 0)


def serve(
    calibrator: Calibrator, rows: HeldOut, labels: np.ndarray, until: int
) -> tuple[np.ndarray, Calibrator]:
    return serve_in_order(calibrator, rows.raw, rows.contexts, labels, HORIZON, until)


def test_a_label_teaches_when_it_closes() -> None:
    times = [bar * BAR_SECONDS for bar in range(6)]
    contexts = [BandContext(t, 1.0) for t in times]
    labels = np.array([0.1, np.nan, 0.3, 0.4, 0.5, 0.6])
    issued, end = serve_in_order(Diary(), np.zeros((6, 5)), contexts, labels, 2, until=6 * BAR_SECONDS)
    assert issued[:, 0].tolist() == [0, 0, 1, 1, 2, 3]
    assert isinstance(end, Diary)
    assert [t // BAR_SECONDS for t in end.closed] == [2, 4, 5, 6]


@every
@pytest.mark.parametrize("at", [41, 42, 120])
def test_labels_that_close_later_change_no_band_issued_by_then(calibrator: Calibrator, at: int) -> None:
    rows = own()
    later = rows.close_time + HORIZON * BAR_SECONDS > rows.close_time[at]
    changed = np.where(later, rows.targets * -5.0 + 9.0, rows.targets)
    until = int(rows.close_time[-1])
    before, after = (serve(calibrator, rows, labels, until)[0] for labels in (rows.targets, changed))
    assert np.array_equal(before[: at + 1], after[: at + 1])
    assert not np.array_equal(before[at + 1 :], after[at + 1 :])


@every
def test_labels_that_close_after_the_end_change_nothing(calibrator: Calibrator) -> None:
    rows = own()
    until = int(rows.close_time[-1])
    later = rows.close_time + HORIZON * BAR_SECONDS > until
    assert later.sum() == HORIZON
    changed = np.where(later, 99.0, rows.targets)
    before, after = (serve(calibrator, rows, labels, until) for labels in (rows.targets, changed))
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    beyond = until + BAR_SECONDS
    assert serve(calibrator, rows, changed, beyond)[1] != serve(calibrator, rows, rows.targets, beyond)[1]
