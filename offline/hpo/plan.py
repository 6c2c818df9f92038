"""What is searched, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from offline.hpo.cells import N_FOLDS
from offline.hpo.space import START, grid_points

REDUCTION_FACTOR = 3
"""Rungs of 1 and 3 of 5: a third goes on after five cells, a ninth after fifteen, 89 % pruned in the end."""
EMBARGO_BARS = 180
"""As the cross-validation of `bands validate`: the longest windows that carry weight reach back so far."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Everything but `trials` decides what a trial is.

    `proxy` searches with fast fits and refits the best `finalists` in full. `grid` walks a plain grid
    without pruning instead, and `trials` and `proxy` then count for nothing. `folds` calendar blocks are
    tested in turn, `embargo_bars` bars behind each of them do not train. `starts` are points of the space by
    horizon, such as an earlier search's best, that are tried before the default one.
    """

    trials: int = 50
    seed: int = 7
    reduction_factor: int = REDUCTION_FACTOR
    grid: bool = False
    proxy: bool = False
    finalists: int = 5
    folds: int = N_FOLDS
    embargo_bars: int = EMBARGO_BARS
    starts: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.trials < 1 or self.reduction_factor < 2 or self.finalists < 1:
            raise ValueError(
                "expected at least one trial, a reduction factor of two and one finalist, found "
                f"{self.trials}, {self.reduction_factor} and {self.finalists}"
            )
        if self.folds < 2 or self.embargo_bars < 0:
            raise ValueError(
                f"expected at least two folds and an embargo of no bars or more, found {self.folds} and "
                f"{self.embargo_bars}"
            )

    def first_points(self, horizon: int) -> list[Mapping[str, Any]]:
        """The points of a horizon's first trials; sampling begins behind them."""
        told = self.starts.get(horizon)
        return [START] if told is None or dict(told) == START else [told, START]

    @property
    def method(self) -> str:
        """`tpe-asha`, `tpe-asha-proxy` or `grid`."""
        return "grid" if self.grid else "tpe-asha-proxy" if self.proxy else "tpe-asha"

    @property
    def n_trials(self) -> int:
        """How many finished trials there are at the end."""
        return len(grid_points()) if self.grid else self.trials
