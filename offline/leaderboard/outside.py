"""Peers from libraries outside our stack, each run as a process in their own environment.

Arrays go in and quantiles come out as `.npz` without pickle; `driver.py` is the other end.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UnavailableError
from contracts.model.grid import LEVELS
from offline.leaderboard.calendar import Cadence, EveryMonths, Refit
from offline.leaderboard.environment import PeersEnvironment
from offline.leaderboard.market import Market, Rows

DRIVER = Path(__file__).with_name("driver.py")
LABELS = ("unit", "returns", "symbol", "bar")

OUTSIDE: dict[str, Cadence] = {
    "mapie-cqr": EveryMonths(6),
    # A forest of 300 deep trees takes minutes and remembers every row: a year between two.
    "qrf": EveryMonths(12),
    "mlforecast": EveryMonths(6),
}
"""Each outside peer and when it learns anew."""

METHODS = {"mapie-cqr": 1, "qrf": 1, "mlforecast": 1}
"""Raise a number when the driver answers otherwise, so that finished windows are not reused."""


@dataclass(frozen=True, slots=True)
class OutsidePeer:
    """One of `OUTSIDE`, in the environment that holds its library."""

    name: str
    environment: PeersEnvironment
    threads: int = 1

    @property
    def cadence(self) -> Cadence:
        """When it learns anew."""
        return OUTSIDE[self.name]

    def prepare(self) -> None:
        """Make the environment; raises `UnavailableError` when that fails."""
        self.environment.ensure()

    def told(self) -> dict[str, Any]:
        """The method's number and every package's hash."""
        return {"method": METHODS[self.name], "requirements": self.environment.digest}

    def forecast(self, market: Market, refit: Refit, horizon: int) -> NDArray[np.float64]:
        """What the driver answers.

        Raises `UnavailableError` when it fails or answers in another shape, with its last words.
        """
        asked = market.asked(refit, horizon)
        if not len(asked):
            return np.zeros((0, len(LEVELS)))
        with tempfile.TemporaryDirectory(prefix="bands-peer-") as folder:
            question, answer = Path(folder, "question.npz"), Path(folder, "answer.npz")
            np.savez(
                question,
                allow_pickle=False,
                horizon=horizon,
                threads=self.threads,
                levels=np.array(LEVELS),
                **_named("past", market.training(refit, horizon), "features", *LABELS),
                **_named("asked", asked, "features", "unit", "symbol", "bar"),
                **_named("followed", market.followed(refit, horizon), *LABELS),
            )
            command = [str(self.environment.python), "-I", str(DRIVER), self.name]
            done = subprocess.run(
                [*command, str(question), str(answer)], check=False, capture_output=True, text=True
            )
            if done.returncode or not answer.exists():
                said = [line for line in done.stderr.splitlines() if line.strip()]
                raise UnavailableError(
                    f"expected {self.name} to answer for the refit of {refit}, found exit code "
                    f"{done.returncode}: {said[-1] if said else 'no word'}"
                )
            with np.load(answer, allow_pickle=False) as archive:
                quantiles: NDArray[np.float64] = archive["quantiles"]
        if quantiles.shape != (len(asked), len(LEVELS)):
            raise UnavailableError(
                f"expected {self.name} to answer with shape {(len(asked), len(LEVELS))}, found "
                f"{quantiles.shape}"
            )
        return quantiles


def _named(prefix: str, rows: Rows, *columns: str) -> dict[str, Any]:
    return {f"{prefix}_{column}": getattr(rows, column) for column in columns}
