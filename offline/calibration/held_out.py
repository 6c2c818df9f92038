"""Quantiles of rows whose labels the models that made them have not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows of one horizon in the order of time, pooled over symbols.

    `raw` (n, 5) are rearranged quantiles before calibration and `targets` (n,) what came, both in units of
    σ√T; `symbol` (n,) indexes `symbols`; `close_time` (n,) is epoch seconds, `sigma` (n,) the one-bar scale.
    """

    horizon: int
    symbols: tuple[str, ...]
    symbol: NDArray[np.int64]
    close_time: NDArray[np.int64]
    volatility_ratio: Array
    sigma: Array
    raw: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.close_time)

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> HeldOut:
        """Only the rows of `keep`, a mask or row numbers."""
        return HeldOut(
            self.horizon,
            self.symbols,
            self.symbol[keep],
            self.close_time[keep],
            self.volatility_ratio[keep],
            self.sigma[keep],
            self.raw[keep],
            self.targets[keep],
        )

    @property
    def contexts(self) -> list[BandContext]:
        """What calibrators condition on, row by row."""
        return contexts_of(self.close_time, self.volatility_ratio)


def contexts_of(close_time: NDArray[np.int64], volatility_ratio: Array) -> list[BandContext]:
    """One context per row."""
    pairs = zip(close_time.tolist(), volatility_ratio.tolist(), strict=True)
    return [BandContext(close, ratio) for close, ratio in pairs]
