"""What one bundle has promised and learnt for one symbol: open bands, and calibrators that go on learning.

A book belongs to its bundle: an outcome teaches only the bundle that issued the band, and a challenger that
is promoted brings the book it kept in shadow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contracts.events import Origin
from contracts.model.bundle import Bundle
from contracts.model.calibrator import Calibrator, calibrator_from_json
from contracts.model.grid import HORIZONS, LEVELS
from contracts.model.predictor import Prediction
from worker.drift import Watch

ORIGINS: tuple[Origin, ...] = ("live", "replay", "backfill")

CLOSE_TIME, REF_PRICE, VOLATILITY_RATIO, SIGMA, LIVE, ORIGIN = range(6)
RAW = slice(6, 6 + len(LEVELS))
ISSUED = slice(6 + len(LEVELS), 6 + 2 * len(LEVELS))
WIDTH = 6 + 2 * len(LEVELS)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Book:
    """One bundle's open bands and calibrators of one symbol, each by horizon. Immutable.

    `open` has one row of `WIDTH` numbers a band, oldest first: when and at what price it was issued, what its
    calibrator conditioned on, the volatility scale σ, whether it was published or shadow, the bar's origin,
    and its quantiles in units of σ√T before (`RAW`) and after calibration (`ISSUED`).
    """

    label: str
    calibrators: Mapping[int, Calibrator]
    open: Mapping[int, Array]
    last_issued: int = 0
    """Epoch seconds of the close of the last bar it issued a band at; 0 before the first."""
    watch: Watch | Mapping[str, Any] | None = None
    """Its drift watch: running, as JSON since it was put away, or None before the first bar."""

    @classmethod
    def start(cls, bundle: Bundle, symbol: str) -> Self:
        """Nothing promised yet, calibrators as they shipped."""
        none = np.empty((0, WIDTH))
        calibrators = MappingProxyType(bundle.predictor.calibrators(symbol))
        return cls(bundle.label, calibrators, MappingProxyType(dict.fromkeys(HORIZONS, none)))

    @property
    def is_settled(self) -> bool:
        """True when no band is open."""
        return not any(len(rows) for rows in self.open.values())

    def issue(
        self,
        predictions: Mapping[int, Prediction],
        *,
        close_time: int,
        ref_price: float,
        volatility_ratio: float,
        live: bool,
        origin: Origin,
    ) -> Self:
        """The book after bands were issued at `close_time`; those of infinite width promise nothing."""
        opened = dict(self.open)
        for horizon, one in predictions.items():
            if one.is_finite:
                head = (close_time, ref_price, volatility_ratio, one.sigma, live, ORIGINS.index(origin))
                opened[horizon] = np.vstack((opened[horizon], (*head, *one.raw, *one.issued)))
        return replace(self, open=MappingProxyType(opened), last_issued=close_time)

    def to_json(self) -> dict[str, Any]:
        """All but the open bands, which are arrays."""
        return {
            "label": self.label,
            "last_issued": self.last_issued,
            "calibrators": {f"T{h}": calibrator.to_json() for h, calibrator in self.calibrators.items()},
            "watch": self.watch.to_json() if isinstance(self.watch, Watch) else self.watch,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any], opened: Mapping[int, Array]) -> Self:
        """Restore what `to_json` gave, with its open bands.

        Raises CalibratorError, KeyError or TypeError on anything else.
        """
        calibrators = {h: calibrator_from_json(told["calibrators"][f"T{h}"]) for h in HORIZONS}
        return cls(
            str(told["label"]),
            MappingProxyType(calibrators),
            MappingProxyType(dict(opened)),
            int(told["last_issued"]),
            told["watch"],
        )
