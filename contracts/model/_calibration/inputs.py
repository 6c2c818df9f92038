"""What members ask of their contexts, closed labels and saved numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.calibrator import BandContext, CalibratorError, ClosedLabel, StaleLabelError
from contracts.model.grid import INTERVALS, LEVELS


def volatility_ratios(
    context: BandContext | Sequence[BandContext] | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """The ratio of every row of quantiles of `shape` (5,) or (n, 5): shape () or (n,).

    Raises CalibratorError when a context is missing, and on a ratio that is not finite and positive.
    """
    if context is None:
        raise CalibratorError(
            "Expected a BandContext for every row, found None; this calibrator depends on its ratio."
        )
    if isinstance(context, BandContext):
        ratios = np.asarray(context.volatility_ratio, dtype=np.float64)
    else:
        ratios = np.array([one.volatility_ratio for one in context], dtype=np.float64)
    if ratios.shape != shape[:-1]:
        raise CalibratorError(
            f"Expected one BandContext per row of quantiles {shape}, found shape {ratios.shape}; give a "
            "single one for (5,) and a sequence for (n, 5)."
        )
    if not (np.isfinite(ratios).all() and (ratios > 0).all()):
        raise CalibratorError("Expected finite volatility ratios above 0, found others; drop those rows.")
    return ratios


def refuse_unclosed(outcome: ClosedLabel, last_closed_at: int | None) -> None:
    """Raise CalibratorError unless the label closed after its issue, StaleLabelError when out of order."""
    if not outcome.closed_at > outcome.context.close_time:
        raise CalibratorError(
            f"Expected a label that closed after its band was issued at {outcome.context.close_time}, found "
            f"closed_at {outcome.closed_at}; wait until it has closed."
        )
    if last_closed_at is not None and outcome.closed_at < last_closed_at:
        raise StaleLabelError(
            f"Expected labels in the order of their closing, found {outcome.closed_at} after "
            f"{last_closed_at}; sort them."
        )


def issued_band(outcome: ClosedLabel) -> tuple[float, ...]:
    """The band that was issued, fit to be judged: five ascending numbers, infinity allowed, and a finite y.

    Raises CalibratorError on anything else.
    """
    band = outcome.issued
    ordered = len(band) == len(LEVELS) and all(a <= b for a, b in pairwise(band))
    if not ordered or not math.isfinite(outcome.y):
        raise CalibratorError(
            f"Expected {len(LEVELS)} ascending issued quantiles and a finite y, found {band} and "
            f"{outcome.y}; teach only bands as they were issued."
        )
    return band


def whole(value: Any, least: int, name: str) -> int:
    """`value` when it is an int of at least `least`; raises CalibratorError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CalibratorError(f"Expected {name} as a whole number >= {least}, found {value!r}.")
    return value


def whole_or_none(value: Any, least: int, name: str) -> int | None:
    """`value` when it is None or an int of at least `least`; raises CalibratorError otherwise."""
    return None if value is None else whole(value, least, name)


def finite_floats(values: Any, name: str) -> tuple[float, ...]:
    """`values`, a list of finite floats, as a tuple; raises CalibratorError otherwise."""
    fits = isinstance(values, list | tuple) and all(
        isinstance(value, float) and math.isfinite(value) for value in values
    )
    if not fits:
        raise CalibratorError(f"Expected {name} as a list of finite floats, found {values!r:.80}.")
    return tuple(values)


def expect_state(state: Mapping[str, Any], method: str, fields: set[str]) -> None:
    """Raise CalibratorError unless `state` has `method` and exactly these fields beside it."""
    expect_fields(state, {"method", *fields}, "state")
    if state["method"] != method:
        raise CalibratorError(
            f"Expected method {method!r}, found {state['method']!r}; use calibrator_from_json."
        )


def outer_and_inner(value: Mapping[str, Any], where: str) -> tuple[Any, Any]:
    """What is filed for the 90 % and the 50 % interval; raises CalibratorError on other fields."""
    expect_fields(value, {f"{coverage:.2f}" for coverage in INTERVALS}, where)
    return value["0.90"], value["0.50"]


def expect_list(value: Any, name: str) -> list[Any]:
    """`value` when it is a list; raises CalibratorError otherwise."""
    if not isinstance(value, list):
        raise CalibratorError(
            f"Expected {name} as a list, found {type(value).__name__}; use the state as saved."
        )
    return value


def expect_fields(value: object, keys: set[str], where: str) -> None:
    """Raise CalibratorError unless `value` is a mapping of exactly these fields."""
    if not isinstance(value, Mapping) or set(value) != keys:
        found = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise CalibratorError(
            f"Expected the fields {sorted(keys)} in a calibrator's {where}, found {found}; use the release "
            "that wrote it."
        )
