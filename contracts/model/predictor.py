"""From a feature row to calibrated return quantiles: forest, correction, rearrangement, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.conformal import BandContext, Calibrator
from contracts.model.forest import PackedForest
from contracts.model.grid import LEVEL_NAMES, LEVELS
from contracts.model.quantiles import correct, rearrange


def model_name(horizon_bars: int, level_name: str) -> str:
    """The name of one booster: `T42_q05`."""
    return f"T{horizon_bars}_{level_name}"


@dataclass(frozen=True, slots=True)
class Head:
    """What turns the forest's answer for one horizon into a band.

    `empirical` holds each symbol's five quantiles of standardised returns, shape (5,), which the forest
    corrects; `weight` is the share of the correction that is taken, `median_shrink` moves the median
    towards zero. Every symbol has its own calibrator.
    """

    horizon_bars: int
    empirical: Mapping[str, NDArray[np.float64]]
    weight: float
    median_shrink: float
    calibrators: Mapping[str, Calibrator]

    def standardised(self, correction: NDArray[np.float64], symbol: str) -> NDArray[np.float64]:
        """A symbol's non-crossing quantiles before calibration, in units of σ√T; shapes (…, 5)."""
        return rearrange(correct(self.empirical[symbol], correction, self.weight, self.median_shrink))


@dataclass(frozen=True, slots=True)
class Prediction:
    """One horizon's band: five quantiles of the log return over the horizon.

    `raw` and `issued` are the same in units of σ√T, before and after calibration.
    """

    horizon_bars: int
    sigma: float
    quantiles: tuple[float, ...]
    raw: tuple[float, ...]
    issued: tuple[float, ...]
    method: str
    q_hat: Mapping[float, float]

    @property
    def is_finite(self) -> bool:
        """False when the calibrator had too few scores for an interval of finite width."""
        return all(map(math.isfinite, self.quantiles))

    @property
    def returns(self) -> dict[str, float]:
        """Log-return quantiles by level name."""
        return dict(zip(LEVEL_NAMES, self.quantiles, strict=True))

    def prices(self, ref_price: float) -> dict[str, float]:
        """Price quantiles by level name, in the unit of `ref_price`."""
        return {name: ref_price * math.exp(q) for name, q in self.returns.items()}


@dataclass(frozen=True, slots=True)
class Predictor:
    """All horizons of a bundle over one packed forest."""

    forest: PackedForest
    heads: tuple[Head, ...]

    def __post_init__(self) -> None:
        wanted = tuple(model_name(head.horizon_bars, level) for head in self.heads for level in LEVEL_NAMES)
        if self.forest.models != wanted:
            raise ValueError(f"expected a forest of the models {wanted}, found {self.forest.models}")

    def corrections(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The forest's answer: (n, features) to (n, horizons, 5), in units of σ√T."""
        return self.forest.predict(rows).reshape(len(rows), len(self.heads), len(LEVELS))

    def predict(
        self,
        symbol: str,
        row: NDArray[np.float64],
        sigma: float,
        context: BandContext,
        calibrators: Mapping[int, Calibrator] | None = None,
    ) -> dict[int, Prediction]:
        """A symbol's calibrated bands of every horizon for one row, shape (features,), and its one-bar σ.

        `calibrators`, by horizon, are what the bundle's have learnt since; None takes them as they shipped.
        """
        corrections = self.forest.predict_row(row).reshape(len(self.heads), len(LEVELS))
        predictions = {}
        for head, correction in zip(self.heads, corrections, strict=True):
            shipped = head.calibrators[symbol]
            calibrator = shipped if calibrators is None else calibrators[head.horizon_bars]
            raw = head.standardised(correction, symbol)
            issued = calibrator.interval(raw, context)
            unit = sigma * math.sqrt(head.horizon_bars)
            predictions[head.horizon_bars] = Prediction(
                head.horizon_bars,
                sigma,
                tuple((issued * unit).tolist()),
                tuple(raw.tolist()),
                tuple(issued.tolist()),
                calibrator.method,
                calibrator.q_hat_at(context),
            )
        return predictions

    def calibrators(self, symbol: str) -> dict[int, Calibrator]:
        """A symbol's calibrators by horizon, as they shipped."""
        return {head.horizon_bars: head.calibrators[symbol] for head in self.heads}
