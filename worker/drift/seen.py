"""What a watch is told of a bar and of a closed label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class BarSeen(NamedTuple):
    """A folded bar. None, or a number that is not finite, leaves that channel as it was.

    Of a bridged bar, and of the bar after one, give neither return nor scale.
    """

    close_time: int
    """Epoch seconds UTC."""
    log_return: float | None = None
    """log(close / last close)."""
    log_range: float | None = None
    """log(high / low)."""
    implied_scale: float | None = None
    """`contracts.model.drift.implied_scale` of the T = 42 band issued one bar before."""
    features: NDArray[np.float64] | None = None
    """The models' input of this bar, the leader's columns included, shape (features,)."""


class LabelSeen(NamedTuple):
    """A band whose label has closed, scored."""

    closed_at: int
    """Epoch seconds UTC of the target bar's close."""
    horizon_bars: int
    hit_90: bool
    pit: float
    """In [0, 1]."""
    pinball: float
    """Mean of the five levels, log-return units."""
    sigma: float
    """One-bar scale the band was issued with."""
