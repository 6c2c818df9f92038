"""What every calibrator is: the interface, what it is told, and how its state finds its class again.

A member lives in its own module, implements `Calibrator`, is decorated with `@register`, and joins the
contract suite in the tests. Import `contracts.model.conformal`, which knows all members, to restore one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray


class CalibratorError(ValueError):
    """Input or saved state that a calibrator can not answer for."""


class StaleLabelError(CalibratorError):
    """A label that closed before the newest one the calibrator has learned from."""


@dataclass(frozen=True, slots=True)
class BandContext:
    """What is known about a row when its band is made, for calibrators that condition on it."""

    close_time: int
    """Epoch seconds UTC of the close of the bar the band starts from."""
    volatility_ratio: float
    """Fast volatility over slow, see `VolatilityScale.ratio`: above 1.0 the market is wilder than usual."""


@dataclass(frozen=True, slots=True)
class ClosedLabel:
    """A band whose label has closed: what an outcome teaches the calibrator that issued the band."""

    quantiles: tuple[float, ...]
    """The five rearranged quantiles before calibration."""
    issued: tuple[float, ...]
    """The five calibrated quantiles that were emitted."""
    y: float
    """The standardised return that came."""
    context: BandContext
    """The context at issue, not at closing."""
    closed_at: int
    """Epoch seconds UTC at which the label closed: horizon bars after `context.close_time`."""


@runtime_checkable
class Calibrator(Protocol):
    """Turns a model's quantiles into intervals that cover as often as they say.

    Immutable: `interval` changes nothing, `update` returns the next state. `to_json` holds all of it, so
    that a restored calibrator goes on as if never interrupted. A row may be calibrated alone or in a
    batch, with the same answer.
    """

    method: ClassVar[str]
    """The name under which `to_json` files it."""

    @property
    def q_hat(self) -> Mapping[float, float]:
        """The widening now in force of each interval by coverage, in standardised units."""
        ...

    def q_hat_at(self, context: BandContext) -> Mapping[float, float]:
        """The widening now in force for a row of this context, by coverage."""
        ...

    def interval(
        self, quantiles: ArrayLike, context: BandContext | Sequence[BandContext] | None = None
    ) -> NDArray[np.float64]:
        """Calibrate `quantiles` (5,) or (n, 5); for a batch `context` has one entry per row."""
        ...

    def update(self, outcome: ClosedLabel) -> Self:
        """The calibrator after a label has closed; labels come in the order of their closing."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All state as JSON types, with `method` naming the class."""
        ...

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `to_json` gave; raises CalibratorError on anything else."""
        ...


_METHODS: dict[str, type[Calibrator]] = {}

C = TypeVar("C", bound=type[Calibrator])


def register(cls: C) -> C:
    """Class decorator: file a calibrator under its `method` for `calibrator_from_json`.

    Raises CalibratorError when the name is taken.
    """
    if cls.method in _METHODS:
        raise CalibratorError(
            f"Expected a new method name, found {cls.method!r} of {_METHODS[cls.method].__name__} again at "
            f"{cls.__name__}; choose another."
        )
    _METHODS[cls.method] = cls
    return cls


def calibrator_methods() -> Mapping[str, type[Calibrator]]:
    """Every registered calibrator class by its method name."""
    return dict(_METHODS)


def calibrator_from_json(state: Mapping[str, Any]) -> Calibrator:
    """Restore any registered calibrator from its `to_json`, by its `method`.

    Raises CalibratorError on an unknown method and on a state that its class refuses.

    >>> from contracts.model.conformal import SplitCQR
    >>> saved = SplitCQR.calibrate([[-2.0, -1.0, 0.0, 1.0, 2.0]] * 20, [0.1] * 20).to_json()
    >>> calibrator_from_json(saved).to_json() == saved
    True
    """
    method = state.get("method") if isinstance(state, Mapping) else None
    if not isinstance(method, str) or method not in _METHODS:
        raise CalibratorError(
            f"Expected method to be one of {sorted(_METHODS)}, found {method!r} in a calibrator's state; use "
            "the release that wrote it."
        )
    return _METHODS[method].from_json(state)
