"""From held-out rows to the calibrators a bundle ships: one for each symbol."""

from __future__ import annotations

from contracts.model.calibrator import Calibrator
from contracts.model.conformal import (
    AdaptiveCQR,
    MondrianAdaptiveCQR,
    MondrianCQR,
    RollingCQR,
    SplitCQR,
    TwoSpeedCQR,
)
from contracts.model.grid import BAR_SECONDS
from offline.calibration.choice import CalibrationChoice
from offline.calibration.held_out import HeldOut
from offline.calibration.in_order import serve_in_order

REPLAY_DAYS = 730
"""How much of the past a tracker replays from where split CQR starts it: a symbol's recent two years move it,
about 100 independent outcomes of 7 days."""
DAY_SECONDS = 86_400


def fit_calibrators(choice: CalibrationChoice, held: HeldOut) -> dict[str, Calibrator]:
    """Each symbol's calibrator after every held-out label has closed.

    Split and Mondrian CQR pool the symbols. The others start from all symbols' rows together and go through
    each symbol's own labels in the order of their closing. The worker serves the state they end in; two-speed
    CQR forgets what is recent, which a horizon model served from the registry would repeat for ever.

    Raises:
        CalibratorError: the rows are no ascending, finite quantiles, or too few.
    """
    pooled = start(choice, held)
    if isinstance(pooled, SplitCQR | MondrianCQR):
        return dict.fromkeys(held.symbols, pooled)
    days = choice.window_days if choice.window_days is not None else REPLAY_DAYS
    fitted = {}
    for number, name in enumerate(held.symbols):
        own = held.rows(held.symbol == number)
        since = int(own.close_time[-1]) - days * DAY_SECONDS if len(own) else 0
        after = replayed(pooled, own.rows(own.close_time > since))
        fitted[name] = after.rested() if isinstance(after, TwoSpeedCQR) else after
    return fitted


def start(choice: CalibrationChoice, held: HeldOut) -> Calibrator:
    """The calibrator of all symbols together, before any symbol's own labels."""
    match choice.method:
        case MondrianCQR.method:
            return MondrianCQR.calibrate(held.raw, held.targets, held.contexts)
        case RollingCQR.method:
            assert choice.window_days is not None
            return RollingCQR.calibrate(held.raw, held.targets, window_days=choice.window_days)
        case AdaptiveCQR.method:
            assert choice.step is not None
            return AdaptiveCQR.calibrate(held.raw, held.targets, step=choice.step)
        case TwoSpeedCQR.method:
            assert choice.step is not None
            return TwoSpeedCQR.calibrate(held.raw, held.targets, step=choice.step)
        case MondrianAdaptiveCQR.method:
            assert choice.step is not None
            return MondrianAdaptiveCQR.calibrate(held.raw, held.targets, held.contexts, step=choice.step)
        case _:
            return SplitCQR.calibrate(held.raw, held.targets)


def replayed(calibrator: Calibrator, own: HeldOut) -> Calibrator:
    """The calibrator after it has served one symbol's rows and seen every label close."""
    if not len(own):
        return calibrator
    end = int(own.close_time[-1]) + own.horizon * BAR_SECONDS
    _, after = serve_in_order(calibrator, own.raw, own.contexts, own.targets, own.horizon, end)
    return after
