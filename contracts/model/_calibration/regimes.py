"""Calibrators that widen a row by the volatility regime it falls into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model._calibration.alike import AlikeForAll
from contracts.model._calibration.inputs import finite_floats, volatility_ratios
from contracts.model._calibration.scores import ascending, nested
from contracts.model.calibrator import BandContext, CalibratorError
from contracts.model.grid import INTERVALS


class ByRegime(ABC):
    """The half of the interface that follows from ascending `edges` and a calibrator for each regime.

    The ratio of a row's context falls into regime `i` when `edges[i - 1] <= ratio < edges[i]`.
    """

    __slots__ = ()

    edges: tuple[float, ...]

    @abstractmethod
    def _in_force(self) -> Sequence[AlikeForAll]:
        """The calibrator that serves each regime, from the calmest."""

    def regime(self, context: BandContext) -> int:
        """Which regime a context falls into, from 0 for the calmest."""
        return bisect_right(self.edges, context.volatility_ratio)

    def q_hat_at(self, context: BandContext) -> dict[float, float]:
        """The widening in force for a row of this context, by coverage."""
        return self._in_force()[self.regime(context)].q_hat

    def interval(
        self, quantiles: ArrayLike, context: BandContext | Sequence[BandContext] | None = None
    ) -> NDArray[np.float64]:
        """The calibrated quantiles, each row widened by its regime's q_hat; see `SplitCQR.interval`.

        Raises CalibratorError also without a context for every row: there is no regime to guess.
        """
        rows = ascending(quantiles)
        ratios = volatility_ratios(context, rows.shape)
        if isinstance(context, BandContext):
            return nested(rows, self.q_hat_at(context))
        regime = np.searchsorted(self.edges, ratios, side="right")
        in_force = self._in_force()
        widths = {
            coverage: np.array([own.q_hat[coverage] for own in in_force])[regime] for coverage in INTERVALS
        }
        return nested(rows, widths)


def expect_regimes(edges: Sequence[float], n_regimes: int) -> None:
    """Raise CalibratorError unless finite `edges` ascend strictly and part as many regimes as there are."""
    limits = finite_floats(edges, "edges")
    if limits != tuple(sorted(set(limits))) or n_regimes != len(limits) + 1:
        raise CalibratorError(
            f"Expected strictly ascending edges and one regime more than edges, found {limits} and "
            f"{n_regimes} regimes; calibrate again."
        )
