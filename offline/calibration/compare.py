"""Every calibrator over the same held-out rows, in the order of time, as it would have served them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from contracts.model.conformal import (
    WINDOWS_DAYS,
    AdaptiveCQR,
    MondrianAdaptiveCQR,
    MondrianCQR,
    RollingCQR,
    SplitCQR,
    TwoSpeedCQR,
)
from contracts.model.grid import BAR_SECONDS
from offline.calibration.choice import CalibrationChoice
from offline.calibration.fit import DAY_SECONDS, fit_calibrators
from offline.calibration.held_out import HeldOut
from offline.calibration.in_order import serve_in_order
from offline.dataset import Progress, no_progress

Array = NDArray[np.float64]

CANDIDATES = (
    CalibrationChoice(SplitCQR.method),
    CalibrationChoice(MondrianCQR.method),
    *(CalibrationChoice(RollingCQR.method, window_days=days) for days in WINDOWS_DAYS),
    *(CalibrationChoice(AdaptiveCQR.method, step=step) for step in (0.0005, 0.001, 0.003)),
    CalibrationChoice(TwoSpeedCQR.method),
    CalibrationChoice(MondrianAdaptiveCQR.method),
)

BURN_IN_DAYS = 730
"""History before the first scored row: about 100 independent outcomes of 7 days to calibrate on."""
REFIT_DAYS = 30
REOPEN_DAYS = 365


@dataclass(frozen=True, slots=True)
class Served:
    """What one candidate issued on the scored rows: `issued` (n, 5), units of σ√T."""

    choice: CalibrationChoice
    horizon: int
    issued: Array


def scored_rows(held: HeldOut) -> HeldOut:
    """The rows behind the burn-in.

    Raises:
        ValueError: there are none.
    """
    begin = _begin(held)
    rows = held.rows(held.close_time >= begin)
    if not len(rows):
        raise ValueError(
            f"expected more than {BURN_IN_DAYS} days of rows to compare calibrators on, found "
            f"{(int(held.close_time[-1]) - int(held.close_time[0])) // DAY_SECONDS}; use more history"
        )
    return rows


def compare(
    held_out: Sequence[HeldOut],
    candidates: Sequence[CalibrationChoice] = CANDIDATES,
    *,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> list[Served]:
    """Serve the scored rows of every horizon with every candidate, in the order of both.

    Raises:
        ValueError: too little history.
    """
    for held in held_out:
        scored_rows(held)
    jobs = [(held, choice) for held in held_out for choice in candidates]
    done: dict[int, Served] = {}
    with ProcessPoolExecutor(threads or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        running = {pool.submit(serve, held, choice): number for number, (held, choice) in enumerate(jobs)}
        try:
            for finished in as_completed(running):
                done[running[finished]] = finished.result()
                progress("comparing calibrators", len(done), len(jobs))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [done[number] for number in range(len(jobs))]


def serve(held: HeldOut, choice: CalibrationChoice) -> Served:
    """Issue every scored row from what had closed by then, and nothing else.

    Calibrators are fitted anew on all closed rows as a retraining does: every 30 days, and the ones that
    learn in between once a year.
    """
    issued = np.full_like(held.raw, np.nan)
    online = choice.method not in (SplitCQR.method, MondrianCQR.method)
    for begin, end in _spans(held, REOPEN_DAYS if online else REFIT_DAYS):
        opening = fit_calibrators(choice, held.rows(_closed(held, begin)))
        now = (held.close_time >= begin) & (held.close_time < end)
        for number, name in enumerate(held.symbols):
            mine = now & (held.symbol == number)
            own = held.rows(mine)
            if online:
                issued[mine], _ = serve_in_order(
                    opening[name], own.raw, own.contexts, own.targets, held.horizon, end
                )
            elif len(own):
                issued[mine] = opening[name].interval(own.raw, own.contexts)
    return Served(choice, held.horizon, issued[held.close_time >= _begin(held)])


def _begin(held: HeldOut) -> int:
    return int(held.close_time[0]) + BURN_IN_DAYS * DAY_SECONDS


def _closed(held: HeldOut, at: int) -> NDArray[np.bool_]:
    return held.close_time + held.horizon * BAR_SECONDS <= at


def _spans(held: HeldOut, days: int) -> Iterator[tuple[int, int]]:
    for begin in range(_begin(held), int(held.close_time[-1]) + 1, days * DAY_SECONDS):
        yield begin, begin + days * DAY_SECONDS
