"""What a pipeline is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """Times in epoch seconds; `window_days` None trains each refit on everything before it.

    `start` is the first walk-forward refit; None is half way through the bars, on the first of a month.
    HPO and the choice of calibrators use bars that close by `tune_until`; None is `start`. No `trials`
    trains with the default settings, no `calibrate` with adaptive CQR at every horizon. `peers` are those
    of the leaderboard; none leaves it out. `search_from` are points of the search space by horizon that HPO
    tries first; stages named in `leave_out` are not asked for.

    Raises `ValueError` for a negative number of trials.
    """

    bars: tuple[Path, ...]
    symbols: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    leader: str | None = None
    window_days: int | None = None
    step_days: int = 30
    start: int | None = None
    tune_until: int | None = None
    trials: int = 50
    grid: bool = False
    calibrate: bool = True
    peers: tuple[str, ...] = ()
    version: str = "1.0.0-hpo"
    alias: str = "challenger"
    policy: Path | None = None
    search_from: Mapping[int, Mapping[str, Any]] | None = None
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 0:
            raise ValueError(f"expected no trials or more, found {self.trials}; 0 skips the search")

    @property
    def contingency_version(self) -> str:
        """Version of the grid-searched bundle: the same number, told apart by its suffix.

        >>> PipelineOptions(bars=(), version="1.0.0-hpo").contingency_version
        '1.0.0-grid'
        """
        return f"{self.version.partition('-')[0]}-grid"
