"""Calibrators that widen every row alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model._calibration.scores import nested
from contracts.model.calibrator import BandContext


class AlikeForAll(ABC):
    """The half of the interface that follows where one `q_hat` is in force whatever the context."""

    __slots__ = ()

    @property
    @abstractmethod
    def q_hat(self) -> dict[float, float]:
        """The widening now in force by coverage, in standardised units."""

    def q_hat_at(self, context: BandContext) -> dict[float, float]:  # noqa: ARG002 - the interface's
        """The same for every context: `q_hat`."""
        return self.q_hat

    def interval(
        self,
        quantiles: ArrayLike,
        context: BandContext | Sequence[BandContext] | None = None,  # noqa: ARG002 - the interface's
    ) -> NDArray[np.float64]:
        """The calibrated quantiles, of the shape of `quantiles`: (5,) or (n, 5); a new array.

        Ascending: the 50 % interval lies in the 90 % one and the median in both, see `nested`. Columns
        whose q_hat is infinite are -inf and inf. `context` makes no difference. Raises CalibratorError
        unless the quantiles are finite and ascending.
        """
        return nested(quantiles, self.q_hat)
