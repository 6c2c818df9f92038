"""The calendar of a walk-forward run, and what may be learned from at each of its refits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from offline.dataset import Dataset

DAY = 86_400
FIRST_FIT_DAYS = 365
"""History before the first refit when no start is asked for: 52 independent 7-day outcomes."""


@dataclass(frozen=True, slots=True)
class WalkForwardSettings:
    """When to refit, and on how much of the past. Raises `ValueError` for settings out of range."""

    window_days: int | None = 365
    """Rows issued in this many days before a refit train it; None is all of them (expanding)."""
    step_days: int = 30
    start: int | None = None
    """First refit, epoch seconds; None is the first midnight with a full window before it."""

    def __post_init__(self) -> None:
        if self.step_days < 1 or (self.window_days is not None and self.window_days < 1):
            raise ValueError(
                "expected a step and a window of at least one day, found "
                f"{self.step_days} and {self.window_days}"
            )

    def to_json(self) -> dict[str, Any]:
        """The settings with their times in ISO 8601."""
        return asdict(self) | {"start": None if self.start is None else iso(self.start)}


@dataclass(frozen=True, slots=True)
class Window:
    """One refit at `start`, serving the bars that close in [start, stop); epoch seconds."""

    number: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"window {self.number} from {iso(self.start)[:10]} to {iso(self.stop)[:10]}"


def plan_windows(dataset: Dataset, settings: WalkForwardSettings) -> list[Window]:
    """Cut the time from the first refit to the last row into steps; the last one may be shorter.

    Raises `ValueError` when the history ends before the first refit, or the first refit comes before
    the first row.
    """
    first, stop = int(dataset.close_time[0]), int(dataset.close_time[-1]) + BAR_SECONDS
    full = first + (settings.window_days or FIRST_FIT_DAYS) * DAY
    start = settings.start if settings.start is not None else -(-full // DAY) * DAY
    if start >= stop:
        raise ValueError(
            f"expected rows to predict from {iso(start)} on, found the last at {iso(stop - BAR_SECONDS)}; "
            "use more history, an earlier --start, a later --end or a shorter --window"
        )
    if start <= first:
        raise ValueError(
            f"expected rows to train on before {iso(start)}, found the first one at {iso(first)} (features "
            "need 361 bars); use more history or a later --start"
        )
    starts = range(start, stop, settings.step_days * DAY)
    return [
        Window(number, at, min(at + settings.step_days * DAY, stop)) for number, at in enumerate(starts, 1)
    ]


def training_rows(dataset: Dataset, window: Window, settings: WalkForwardSettings) -> Dataset:
    """What a run at the window's start would have learned from: the rows with a label closed by then.

    Labels that close later are NaN, as they are in a dataset built on the bars of that day.

    Raises `ValueError` when no row is left.
    """
    closes = dataset.close_time[:, None] + np.array(HORIZONS) * BAR_SECONDS
    returns = np.where(closes <= window.start, dataset.returns, np.nan)
    keep = np.isfinite(returns).any(axis=1)
    if settings.window_days is not None:
        keep &= dataset.close_time >= window.start - settings.window_days * DAY
    if not keep.any():
        raise ValueError(
            f"expected rows with a label closed by {iso(window.start)} to train {window}, found none; use "
            "more history, a later --start or a longer --window"
        )
    return rows_of(replace(dataset, returns=returns), keep)


def rows_of(dataset: Dataset, keep: Any) -> Dataset:
    """The dataset with only the rows of `keep`, a mask or row numbers."""
    return replace(
        dataset,
        symbol=dataset.symbol[keep],
        close_time=dataset.close_time[keep],
        rows=np.ascontiguousarray(dataset.rows[keep]),
        sigma=dataset.sigma[keep],
        volatility_ratio=dataset.volatility_ratio[keep],
        returns=dataset.returns[keep],
    )
