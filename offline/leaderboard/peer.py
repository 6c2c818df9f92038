"""What every entrant of the leaderboard can do, and the ones made of a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import arch
import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, LEVELS
from offline.baselines import Baseline
from offline.leaderboard.calendar import Cadence, Refit
from offline.leaderboard.market import Market

Array = NDArray[np.float64]


class Peer(Protocol):
    """A way to forecast that is refitted on a calendar."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def cadence(self) -> Cadence:
        """When it learns anew."""

    def prepare(self) -> None:
        """Make what it needs to run; raises `UnavailableError` when that can not be had."""

    def told(self) -> dict[str, Any]:
        """JSON types that change whenever its answers may: its method, settings and versions."""

    def forecast(self, market: Market, refit: Refit, horizon: int) -> Array:
        """Log-return quantiles of `market.served(refit)`, shape (n, 5), NaN where it can not say.

        Learns from labels closed by `refit.start` and looks at no bar after the one it answers for.
        Raises `UnavailableError` when it breaks down.
        """


@dataclass(frozen=True, slots=True)
class BaselinePeer:
    """A baseline, fitted to each symbol on its own."""

    baseline: Baseline
    cadence: Cadence

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.baseline.name

    def prepare(self) -> None:
        """Nothing is needed."""

    def told(self) -> dict[str, Any]:
        """The baseline's settings."""
        return {"method": 1, "baseline": repr(self.baseline), "arch": arch.__version__}

    def forecast(self, market: Market, refit: Refit, horizon: int) -> Array:
        """Quantiles of each symbol's rows, NaN for a symbol with too few closed labels."""
        at = market.served(refit)
        answer = np.full((len(at), len(LEVELS)), np.nan)
        for symbol, whole in enumerate(market.histories):
            mine = np.flatnonzero(market.dataset.symbol[at] == symbol)
            if not len(mine):
                continue
            history = whole.between(None, refit.stop)
            try:
                fitted = self.baseline.fit(history, horizon, refit.start)
            except ValueError:  # a young symbol: too few closed labels
                continue
            where = np.searchsorted(history.open_time + BAR_SECONDS, market.dataset.close_time[at[mine]])
            answer[mine] = fitted.quantiles(history)[where]
        return answer
