"""What every baseline can do: be fitted on the past, and say quantiles for every bar."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import LEVELS


class Fitted(Protocol):
    """A baseline that has learned its constants."""

    @property
    def horizon(self) -> int:
        """Bars between issue and target."""

    def quantiles(self, history: History) -> NDArray[np.float64]:
        """Log-return quantiles at the five levels for every bar, shape (n, 5), NaN while warming up.

        The row of a bar uses that bar and earlier ones only.
        """


class Baseline(Protocol):
    """A rule that can be fitted to one symbol."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def fit(self, history: History, horizon: int, until: int) -> Fitted:
        """Learn from labels that close at or before `until`, in epoch seconds.

        `history` may go on after `until`; nothing after it is looked at. Raises `ValueError` for a
        horizon below one bar or when fewer than `LEAST_LABELS` labels are closed by then.
        """


LEAST_LABELS = 500
"""Labels without which no fit is attempted: 12 independent outcomes at T = 42, for a 5 % quantile a bare
minimum. Real fits have ten times as many."""


def require_labels(name: str, symbol: str, count: int) -> None:
    """Raise `ValueError` when a baseline has too few closed labels of a symbol."""
    if count < LEAST_LABELS:
        raise ValueError(
            f"expected at least {LEAST_LABELS} closed labels of {symbol} to fit {name}, found {count}; "
            "use more history or a later `until`"
        )


def empirical_quantiles(standardised: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of past standardised returns at the five levels, shape (5,), linear between ranks."""
    return np.quantile(standardised, LEVELS)
