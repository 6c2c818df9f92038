"""What one refit said on its bars: the arrays of a window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import Calibrator
from contracts.model.conformal import calibrator_from_json
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
    calibrators: NDArray[np.str_]
    """Each symbol's and horizon's calibrator at the end, as JSON, (symbols, 4); empty text for none."""

    def __len__(self) -> int:
        return len(self.close_time)

    def to_arrays(self) -> Arrays:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Served:
        """The inverse of `to_arrays`."""
        return cls(**arrays)

    def calibrator(self, symbol: int, horizon_index: int) -> Calibrator | None:
        """A symbol's calibrator after this window, None when it had no rows yet."""
        text = str(self.calibrators[symbol, horizon_index])
        return calibrator_from_json(json.loads(text)) if text else None


def encoded(calibrators: Sequence[Sequence[Calibrator | None]]) -> NDArray[np.str_]:
    """Calibrators as an array of JSON texts."""
    texts: list[list[Any]] = [
        ["" if one is None else json.dumps(one.to_json(), sort_keys=True) for one in row]
        for row in calibrators
    ]
    return np.array(texts, dtype=np.str_)
