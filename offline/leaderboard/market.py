"""The bars and rows that every peer sees, cut so that none can look ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, Progress, build_dataset, no_progress
from offline.ingest import history_sha256
from offline.leaderboard.calendar import Refit

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one horizon: features (n, f), unit σ√T (n,), log return (n,), symbol index and bar number (n,).

    A bar's number counts 4-hour closes since 1970, so that a label is known `horizon` numbers later.
    """

    features: Array
    unit: Array
    returns: Array
    symbol: NDArray[np.int64]
    bar: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bar)


@dataclass(frozen=True, slots=True)
class Market:
    """Histories in the order of the dataset's symbols."""

    dataset: Dataset
    histories: tuple[History, ...]

    @classmethod
    def of(
        cls,
        histories: Sequence[History],
        leader: str | None,
        max_gap_bars: int,
        progress: Progress = no_progress,
    ) -> Market:
        """Fold the features of every bar; raises as `build_dataset` does."""
        dataset = build_dataset(
            histories, FeatureSpec(leader=leader), max_gap_bars=max_gap_bars, progress=progress
        )
        return cls(dataset, tuple(histories))

    def returns(self, horizon: int) -> Array:
        """Realised log return of every dataset row, shape (n,), NaN without a label."""
        answer: Array = self.dataset.returns[:, HORIZONS.index(horizon)]
        return answer

    def served(self, refit: Refit) -> NDArray[np.int64]:
        """Dataset rows that a refit predicts."""
        close = self.dataset.close_time
        return np.flatnonzero((close >= refit.begin) & (close < refit.stop))

    def training(self, refit: Refit, horizon: int) -> Rows:
        """Every row whose label closes by the refit."""
        known = self._returns(horizon, refit.start)
        return self._rows(np.flatnonzero(np.isfinite(known)), known, horizon)

    def asked(self, refit: Refit, horizon: int) -> Rows:
        """The rows to predict, their returns NaN."""
        unknown = np.full(len(self.dataset), np.nan)
        return self._rows(self.served(refit), unknown, horizon)

    def followed(self, refit: Refit, horizon: int) -> Rows:
        """Every row whose label closes while the refit serves, or before.

        For peers that follow the labels: one may be used only for bars after it has closed.
        """
        known = self._returns(horizon, refit.stop)
        return self._rows(np.flatnonzero(np.isfinite(known)), known, horizon)

    def bars_sha256(self, stop: int) -> dict[str, str]:
        """Digest of each symbol's bars that close by `stop`."""
        return {h.symbol: history_sha256(h.between(None, stop)) for h in self.histories}

    def _returns(self, horizon: int, until: int) -> Array:
        closes = self.dataset.close_time + horizon * BAR_SECONDS
        return np.where(closes <= until, self.returns(horizon), np.nan)

    def _rows(self, at: NDArray[np.int64], returns: Array, horizon: int) -> Rows:
        return Rows(
            self.dataset.rows[at],
            self.dataset.sigma[at] * math.sqrt(horizon),
            returns[at],
            self.dataset.symbol[at],
            self.dataset.close_time[at] // BAR_SECONDS,
        )
