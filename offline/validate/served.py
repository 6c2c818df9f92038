"""What one refit said on its bars: the arrays of a window."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from offline.validate.store import Arrays

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Served:
    """Rows ordered by close time and then symbol; second axis: the four horizons, third: five levels."""

    symbol: NDArray[np.int64]
    close_time: NDArray[np.int64]
    crossing: NDArray[np.bool_]
    """Whether the learned quantiles cross before they are rearranged, (n, 4)."""
    raw: Array
    """Rearranged quantiles before calibration in units of σ√T, (n, 4, 5)."""
    issued: Array
    """Calibrated quantiles in units of σ√T, (n, 4, 5); infinite where calibration had too few scores."""
    har_rv: Array
    """HAR-RV's log-return quantiles, (n, 4, 5), NaN where it could not be fitted."""
    ewma_ecdf: Array
    """The same of the volatility-scaled empirical quantiles."""

    def __len__(self) -> int:
        return len(self.close_time)

    def to_arrays(self) -> Arrays:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Served:
        """The inverse of `to_arrays`."""
        return cls(**arrays)
