"""The simulation is River's: the same alarms on the same bars."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.model.drift import DetectorSpec
from offline.drift.bootstrap import resample, without_level
from offline.drift.paths import alarms, first_alarms
from offline.drift.search import YEAR_BARS, find_threshold, rate_in_order
from worker.drift.page_hinkley import PageHinkleyState, advance


def spec(mode: str, alpha: float = 1.0, weight: int = 50) -> DetectorSpec:
    return DetectorSpec.model_validate(
        {"channel": "width", "min_instances": 30, "delta": 0.03, "threshold": 1.0, "alpha": alpha,
         "mode": mode, "start_mean": 0.4, "start_weight": weight}
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["up", "down", "both"])
@pytest.mark.parametrize("alpha", [1.0, 0.995])
@pytest.mark.parametrize("quiet", [0, 60])
def test_alarms_are_rivers(mode: str, alpha: float, quiet: int) -> None:
    inputs = np.random.default_rng(3).beta(0.6, 1.0, (1_200, 3, 2))
    specs, thresholds = [spec(mode, alpha), spec("both", alpha, 0)], np.array([2.0, 5.0])
    counted, first = alarms(inputs, specs, thresholds, quiet), first_alarms(inputs, specs, thresholds)
    assert counted.sum() > 10
    for stream in range(3):
        for at, threshold in enumerate(thresholds.tolist()):
            states = [PageHinkleyState.start(one) for one in specs]
            real = [one.model_copy(update={"threshold": threshold}) for one in specs]
            reports, quiet_until, seen = 0, 0, -1
            for bar, row in enumerate(inputs[:, stream].tolist()):
                states = [advance(*now) for now in zip(real, states, row, strict=True)]
                if any(state.drifted for state in states):
                    seen = bar if seen < 0 else seen
                    if bar >= quiet_until:
                        reports, quiet_until = reports + 1, bar + quiet
            assert (reports, seen) == (counted[stream, at], first[stream, at])


def test_a_threshold_keeps_its_budget() -> None:
    draw = np.random.default_rng(4)
    streams = draw.beta(0.6, 1.0, (2 * YEAR_BARS, 64, 1))
    found = find_threshold(streams, [spec("up")], 0.6, 0.5, 84)
    assert found.per_year == pytest.approx(0.5, rel=0.2)
    # 192 other symbol-years: the rate's standard error is 0.05 by Poisson, four of them are allowed.
    fresh = [draw.beta(0.6, 1.0, (3 * YEAR_BARS, 1)) for _ in range(64)]
    assert rate_in_order(fresh, [spec("up")], found.threshold, 84) == pytest.approx(0.5, abs=0.25)


def test_blocks_are_whole_and_stay_within_a_symbol() -> None:
    series = [np.column_stack((np.arange(n) + 1_000 * s, np.full(n, s))) for s, n in ((1, 300), (2, 200))]
    drawn = resample([*series, np.empty((0, 2))], 1_000, 4, 40, seed=1)
    assert drawn.shape == (1_000, 4, 2)
    for stream in range(4):
        for block in np.split(drawn[:, stream], 25):
            assert (np.diff(block[:, 0]) == 1).all()
            assert len(set(block[:, 1])) == 1
    assert set(drawn[:, :, 1].ravel()) == {1.0, 2.0}
    assert np.array_equal(drawn, resample(series, 1_000, 4, 40, seed=1))


def test_a_level_that_stays_is_taken_out_and_a_spike_is_not() -> None:
    draw = np.random.default_rng(5).chisquare(3, 4_000) / 3
    level = np.repeat([1.0, 2.5], 2_000)
    steady = without_level(draw * level, 360)
    assert steady[:1_500].mean() == pytest.approx(steady[2_500:].mean(), rel=0.1)
    assert steady.mean() == pytest.approx((draw * level).mean(), rel=0.05)
    assert np.corrcoef(steady[:1_500], draw[:1_500])[0, 1] > 0.95
