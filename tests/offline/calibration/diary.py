"""A calibrator that tells when it learned what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model.calibrator import BandContext, ClosedLabel


@dataclass(frozen=True)
class Diary:
    """Remembers when each label closed, and shifts its bands by how many it knows."""

    method: ClassVar[str] = "test_diary"
    closed: tuple[int, ...] = ()

    @property
    def q_hat(self) -> Mapping[float, float]:
        return {0.90: 0.0, 0.50: 0.0}

    def q_hat_at(self, context: BandContext) -> Mapping[float, float]:
        return self.q_hat

    def interval(
        self,
        quantiles: ArrayLike,
        context: BandContext | Sequence[BandContext] | None = None,
    ) -> NDArray[np.float64]:
        return np.asarray(quantiles) + len(self.closed)

    def update(self, outcome: ClosedLabel) -> Self:
        return type(self)((*self.closed, outcome.closed_at))

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "closed": list(self.closed)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        return cls(tuple(state["closed"]))
