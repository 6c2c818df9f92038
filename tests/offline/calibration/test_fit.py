"""From held-out rows to shipped calibrators: pooled ones pooled, learning ones symbol by symbol."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.model.calibrator import BandContext, Calibrator, CalibratorError, ClosedLabel
from contracts.model.conformal import (
    AdaptiveCQR,
    MondrianAdaptiveCQR,
    MondrianCQR,
    RollingCQR,
    SplitCQR,
    TwoSpeedCQR,
)
from contracts.model.grid import BAR_SECONDS
from offline.calibration import CalibrationChoice, HeldOut, fit_calibrators
from tests.offline.calibration.rows import HORIZON, held_out

ADAPTIVE = CalibrationChoice("adaptive_cqr", step=0.01)
TWO_SPEED = CalibrationChoice("two_speed_cqr", step=0.01)
REGIMES = CalibrationChoice("mondrian_adaptive_cqr", step=0.01)
ROLLING = CalibrationChoice("rolling_cqr", window_days=30)


def taught_by_hand(calibrator: Calibrator, own: HeldOut) -> Calibrator:
    """Every label once; each band issued by the state that knew the labels closed by then, and no other."""
    contexts, closed = own.contexts, own.close_time + own.horizon * BAR_SECONDS
    states = [calibrator]
    for raw, context, y, closed_at in zip(own.raw, contexts, own.targets, closed.tolist(), strict=True):
        known = int((closed <= context.close_time).sum())
        issued = states[known].interval(raw, context)
        label = ClosedLabel(
            tuple(raw.tolist()), tuple(issued.tolist()), float(y), context, closed_at=closed_at
        )
        states.append(states[-1].update(label))
    return states[-1]


def last_days(held: HeldOut, symbol: int, days: int) -> HeldOut:
    own = held.rows(held.symbol == symbol)
    return own.rows(own.close_time > own.close_time[-1] - days * 86_400)


def test_split_and_mondrian_pool_the_symbols() -> None:
    held = held_out(200)
    split = fit_calibrators(CalibrationChoice("split_cqr"), held)
    assert split == dict.fromkeys(("AAA", "BBB"), SplitCQR.calibrate(held.raw, held.targets))
    mondrian = fit_calibrators(CalibrationChoice("mondrian_cqr"), held)
    expected = MondrianCQR.calibrate(held.raw, held.targets, held.contexts)
    assert mondrian == dict.fromkeys(("AAA", "BBB"), expected)
    assert len(expected.regimes) == 3


def test_adaptive_goes_through_each_symbols_own_labels() -> None:
    held = held_out(400)
    fitted = fit_calibrators(ADAPTIVE, held)
    start = AdaptiveCQR.calibrate(held.raw, held.targets, step=0.01)
    for number, name in enumerate(held.symbols):
        assert fitted[name] == taught_by_hand(start, held.rows(held.symbol == number))
    assert fitted["AAA"].q_hat[0.90] > start.q_hat[0.90] > fitted["BBB"].q_hat[0.90]


def test_two_speed_goes_through_each_symbols_own_labels_and_ships_rested() -> None:
    held = held_out(400)
    fitted = fit_calibrators(TWO_SPEED, held)
    start = TwoSpeedCQR.calibrate(held.raw, held.targets, step=0.01)
    for number, name in enumerate(held.symbols):
        taught = taught_by_hand(start, held.rows(held.symbol == number))
        assert isinstance(taught, TwoSpeedCQR)
        assert taught.recent != 0
        assert fitted[name] == taught.rested()
    assert fitted["AAA"].q_hat[0.90] > start.q_hat[0.90] > fitted["BBB"].q_hat[0.90]


def test_mondrian_adaptive_starts_from_all_and_learns_a_symbols_own_regimes() -> None:
    held = held_out(400)
    fitted = fit_calibrators(REGIMES, held)
    start = MondrianAdaptiveCQR.calibrate(held.raw, held.targets, held.contexts, step=0.01)
    assert start.fallback_regimes == ()
    for number, name in enumerate(held.symbols):
        assert fitted[name] == taught_by_hand(start, held.rows(held.symbol == number))
    wider, narrower = fitted["AAA"], fitted["BBB"]
    assert isinstance(wider, MondrianAdaptiveCQR)
    assert isinstance(narrower, MondrianAdaptiveCQR)
    assert wider.edges == narrower.edges == start.edges
    for calm, begun, wild in zip(narrower.regimes, start.regimes, wider.regimes, strict=True):
        assert calm is not None
        assert begun is not None
        assert wild is not None
        assert calm.outer < begun.outer < wild.outer


def test_rolling_goes_through_its_window_of_each_symbols_labels() -> None:
    held = held_out(400)
    fitted = fit_calibrators(ROLLING, held)
    start = RollingCQR.calibrate(held.raw, held.targets, window_days=30)
    for number, name in enumerate(held.symbols):
        one = fitted[name]
        assert isinstance(one, RollingCQR)
        assert one == taught_by_hand(start, last_days(held, number, 30))
        assert one.is_warm
        assert len(one.closed_at) == 30 * 6
    assert fitted["AAA"].q_hat[0.90] > fitted["BBB"].q_hat[0.90]


def test_adaptive_replays_two_years_and_no_more() -> None:
    held = held_out(900, step_bars=6)  # one row a day
    fitted = fit_calibrators(ADAPTIVE, held)
    start = AdaptiveCQR.calibrate(held.raw, held.targets, step=0.01)
    for number, name in enumerate(held.symbols):
        replayed = last_days(held, number, 730)
        assert len(replayed) == 730
        assert fitted[name] == taught_by_hand(start, replayed)
        assert fitted[name] != taught_by_hand(start, held.rows(held.symbol == number))


def test_it_has_seen_every_label_close() -> None:
    held = held_out(300)
    (adaptive, _) = fit_calibrators(ADAPTIVE, held).values()
    assert isinstance(adaptive, AdaptiveCQR)
    assert adaptive.last_closed_at == int(held.close_time[-1]) + HORIZON * BAR_SECONDS


@pytest.mark.parametrize("choice", [ADAPTIVE, TWO_SPEED, REGIMES, ROLLING], ids=lambda choice: choice.method)
def test_a_symbols_calibrator_does_not_hear_of_another_ones_order(choice: CalibrationChoice) -> None:
    """The pooled start knows no order; what is learned after it is a symbol's own."""
    held = held_out(400)
    other = np.flatnonzero(held.symbol == 1)
    raw, targets = held.raw.copy(), held.targets.copy()
    ratio = held.volatility_ratio.copy()
    for values in (raw, targets, ratio):
        values[other] = values[other[::-1]]
    changed = replace(held, raw=raw, targets=targets, volatility_ratio=ratio)
    before, after = (fit_calibrators(choice, h) for h in (held, changed))
    assert after["AAA"] == before["AAA"]
    assert after["BBB"] != before["BBB"]


@pytest.mark.parametrize("choice", [ADAPTIVE, TWO_SPEED, REGIMES, ROLLING], ids=lambda choice: choice.method)
def test_a_symbol_without_rows_starts_from_all(choice: CalibrationChoice) -> None:
    held = held_out(200, symbols=("AAA", "BBB", "NEW"))
    fitted = fit_calibrators(choice, held)
    assert list(fitted) == ["AAA", "BBB", "NEW"]
    if choice.method == "mondrian_adaptive_cqr":
        regimes = MondrianCQR.calibrate(held.raw, held.targets, held.contexts)
        at = [BandContext(0, ratio) for ratio in (0.5, 1.0, 2.0)]
        assert [fitted["NEW"].q_hat_at(one) for one in at] == [regimes.q_hat_at(one) for one in at]
    else:
        assert fitted["NEW"].q_hat == SplitCQR.calibrate(held.raw, held.targets).q_hat


@pytest.mark.parametrize("choice", [ADAPTIVE, TWO_SPEED, REGIMES], ids=lambda choice: choice.method)
def test_too_few_rows_are_told(choice: CalibrationChoice) -> None:
    with pytest.raises(CalibratorError, match="at least 9 scores"):
        fit_calibrators(choice, held_out(4))
