"""Which calibrator a horizon ships with, and its one parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from contracts.model.conformal import (
    WINDOWS_DAYS,
    AdaptiveCQR,
    MondrianAdaptiveCQR,
    MondrianCQR,
    RollingCQR,
    SplitCQR,
    TwoSpeedCQR,
)

_PARAMETER = {
    SplitCQR.method: None,
    MondrianCQR.method: None,
    RollingCQR.method: "window_days",
    AdaptiveCQR.method: "step",
    MondrianAdaptiveCQR.method: "step",
    TwoSpeedCQR.method: "step",
}

DEFAULT_STEP = 0.0005
"""Of the scale per outcome. Walk-forward 2021-2023, seven series, T = 42 and 60: 0.0003 to 0.0006 cost 0.1 %
pinball, bring the 50 % band from 52.5 to 51.4 % and cut the yearly miss by a tenth; 0.002 costs 0.4 to 0.6 %,
0.003 0.6 to 0.9 %."""

_DEFAULT_STEPS = {
    AdaptiveCQR.method: DEFAULT_STEP,
    MondrianAdaptiveCQR.method: DEFAULT_STEP,
    TwoSpeedCQR.method: 0.0001,
}
"""Two-speed CQR's is that of its slow part, see its class for the choice."""


@dataclass(frozen=True, slots=True)
class CalibrationChoice:
    """A method by its registered name, with `window_days` for rolling CQR and `step` for those that
    track; a step left out is the method's default.

    Raises:
        ValueError: an unknown method, or a parameter that is missing, out of range or not the method's.

    >>> CalibrationChoice("rolling_cqr", window_days=90).label
    'rolling_cqr 90 days'
    """

    method: str = AdaptiveCQR.method
    window_days: int | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        if self.method not in _PARAMETER:
            raise ValueError(
                f"expected a calibration method of {', '.join(_PARAMETER)}, found {self.method!r}"
            )
        if self.step is None and self.method in _DEFAULT_STEPS:
            object.__setattr__(self, "step", _DEFAULT_STEPS[self.method])
        wanted = _PARAMETER[self.method]
        given = {name for name in ("window_days", "step") if getattr(self, name) is not None}
        if given != ({wanted} if wanted else set()):
            raise ValueError(
                f"expected {wanted or 'no parameter'} for {self.method}, found {sorted(given) or 'none'}"
            )
        if self.window_days is not None and self.window_days not in WINDOWS_DAYS:
            raise ValueError(f"expected window_days of {WINDOWS_DAYS}, found {self.window_days}")

    @property
    def label(self) -> str:
        """Method and parameter as a person reads them."""
        if self.window_days is not None:
            return f"{self.method} {self.window_days} days"
        return f"{self.method} step {self.step}" if self.step is not None else self.method

    def to_json(self) -> dict[str, Any]:
        """The choice as JSON types."""
        return {"method": self.method, "window_days": self.window_days, "step": self.step}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; raises ValueError on anything else."""
        if set(told) != {"method", "window_days", "step"}:
            raise ValueError(f"expected method, window_days and step, found {sorted(told)}")
        return cls(**told)
