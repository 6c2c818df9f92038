"""A threshold as the policy writes it: `{ below = 0.05 }`, `{ above = 0.1 }`, `{ between = [low, high] }`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Bound(BaseModel):
    """One threshold; `below` and `above` are strict, `between` holds both of its ends.

    >>> Bound(between=(0.87, 0.93)).holds(0.87), round(Bound(below=0.05).missed_by(0.06), 3)
    (True, 0.01)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    below: float | None = None
    above: float | None = None
    between: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(side is not None for side in (self.below, self.above, self.between)) != 1:
            raise ValueError("expected exactly one of below, above and between")
        if self.between is not None and self.between[0] >= self.between[1]:
            raise ValueError(f"expected between as [low, high], found {list(self.between)}")
        return self

    def holds(self, value: float) -> bool:
        """Whether the value is on the right side."""
        if self.between is not None:
            return self.between[0] <= value <= self.between[1]
        return value < self.below if self.below is not None else value > (self.above or 0.0)

    def missed_by(self, value: float) -> float:
        """How far the value is outside, in its own unit; 0 where it holds."""
        if self.holds(value):
            return 0.0
        sides: tuple[float | None, ...] = (self.below, self.above, *(self.between or ()))
        return float(min(abs(value - side) for side in sides if side is not None))

    def __str__(self) -> str:
        if self.between is not None:
            return f"{self.between[0]:g} to {self.between[1]:g}"
        return f"< {self.below:g}" if self.below is not None else f"> {self.above:g}"
