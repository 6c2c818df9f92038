"""Market context: nine features of a leader symbol, known to every other symbol one bar later.

A row reads the leader as of the bar *before* its own, so the order in which symbols arrive within one
close can never change a band. Bridged leader bars are never recorded: whether they exist yet when
another symbol asks would depend on arrival order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.features import FeatureRow
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import BASE_NAMES, CONTEXT_FEATURES, CONTEXT_MEMORY_BARS, LEADER_BASE

KEPT_ROWS = 64
"""Leader rows kept by time, so that symbols may lag behind the leader by ten days."""

N_CONTEXT = len(CONTEXT_FEATURES)
_COLUMNS = np.array([index for index, name in enumerate(BASE_NAMES) if name in LEADER_BASE])


@dataclass(frozen=True, slots=True)
class Context:
    """The leader's features for one bar.

    `is_stale` when they are not those of the bar just before, or were folded over bridged bars.
    """

    values: NDArray[np.float64]
    is_stale: bool


@dataclass(frozen=True, slots=True)
class LeaderTrack:
    """The leader's recent rows by time. Immutable: `record` returns the next.

    `open_times` is int64 (n,), `rows` float64 (n, 9), `bridged` bool (n,), all oldest first with n ≤ 64;
    `log_sigmas` holds up to 1,000 values of log σ, newest first.
    """

    open_times: NDArray[np.int64]
    rows: NDArray[np.float64]
    bridged: NDArray[np.bool_]
    log_sigmas: NDArray[np.float64]

    @classmethod
    def empty(cls) -> LeaderTrack:
        """A track that has seen nothing."""
        return cls(np.empty(0, np.int64), np.empty((0, N_CONTEXT)), np.empty(0, np.bool_), np.empty(0))

    @property
    def last_open_time(self) -> int:
        """Epoch seconds of the newest row's bar; -1 when there is none."""
        return int(self.open_times[-1]) if len(self.open_times) else -1

    def record(self, open_time: int, row: FeatureRow, *, bridged: bool = False) -> LeaderTrack:
        """Remember the leader's row of the bar that opened at `open_time` (epoch seconds).

        `bridged` says that a bridged bar lies in the leader's shortest window.
        """
        log_sigma = math.log(row.sigma)
        log_sigmas = np.concatenate(([log_sigma], self.log_sigmas[: CONTEXT_MEMORY_BARS - 1]))
        regime = log_sigma - float(log_sigmas.mean())
        values = np.append(row.values[_COLUMNS], regime)
        return LeaderTrack(
            np.append(self.open_times[-(KEPT_ROWS - 1) :], np.int64(open_time)),
            np.vstack((self.rows[-(KEPT_ROWS - 1) :], values)),
            np.append(self.bridged[-(KEPT_ROWS - 1) :], np.bool_(bridged)),
            log_sigmas,
        )

    def reach(self, open_time: int) -> int:
        """Epoch seconds of the newest row's bar that opened before `open_time`; -1 when there is none."""
        index = int(np.searchsorted(self.open_times, open_time)) - 1
        return int(self.open_times[index]) if index >= 0 else -1

    def before(self, open_time: int) -> Context | None:
        """The newest row from before the bar that opens at `open_time`.

        None when there is none, or when the leader has been silent for more than 64 bars.
        """
        index = int(np.searchsorted(self.open_times, open_time)) - 1
        if index < 0:
            return None
        age_bars = (open_time - int(self.open_times[index])) // BAR_SECONDS
        if age_bars > KEPT_ROWS:
            return None
        return Context(self.rows[index], age_bars != 1 or bool(self.bridged[index]))
