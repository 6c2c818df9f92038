from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import UnavailableError
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.baselines import EwmaEcdf, HarRv
from offline.leaderboard import BaselinePeer, EveryDays, Leaderboard, Market, Peer, Refit, read_predictions
from offline.leaderboard import leaderboard as run_leaderboard
from offline.leaderboard.calendar import Cadence
from offline.market import MarketSpec, simulate
from tests.offline.validate.conftest import BARS, MISSING, SETTINGS, START, walk, without

Array = NDArray[np.float64]
OFTEN = EveryDays(30)
BASELINES: list[Peer] = [BaselinePeer(HarRv(), OFTEN), BaselinePeer(EwmaEcdf(), OFTEN)]
MOMENT = START + 1_800 * BAR_SECONDS
"""A bar's close within the first refit of the predictions' span and within its second half-year."""


@dataclass
class Scripted:
    """A peer that says what it is told to, and remembers what it was asked."""

    name: str
    say: Callable[[Market, Refit, int], Array]
    cadence: Cadence = OFTEN
    is_there: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)

    def prepare(self) -> None:
        if not self.is_there:
            raise UnavailableError(f"expected the environment of {self.name}, found no network")

    def told(self) -> dict[str, Any]:
        return {"method": 1}

    def forecast(self, market: Market, refit: Refit, horizon: int) -> Array:
        self.asked.append((str(refit), horizon))
        return self.say(market, refit, horizon)


def wide(market: Market, refit: Refit, horizon: int) -> Array:
    """The same wide band everywhere."""
    return np.tile([-0.3, -0.1, 0.0, 0.1, 0.3], (len(market.served(refit)), 1))


@dataclass(frozen=True)
class Setting:
    histories: list[History]
    predictions: Path

    def run(self, folder: Path, *peers: Peer, horizons: tuple[int, ...] = (42,)) -> Leaderboard:
        return run_leaderboard(
            read_predictions(self.predictions),
            self.histories,
            folder,
            [*BASELINES, *peers],
            horizons=horizons,
            leader="AAA",
        )


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """Two symbols, one with a missing bar, walked forward over their last 390 bars."""
    market = simulate(MarketSpec(), ("AAA", "BBB"), BARS, START, seed=5).histories
    histories = [market["AAA"], without(market["BBB"], MISSING)]
    folder = tmp_path_factory.mktemp("entered")
    walk(histories, folder, SETTINGS)
    return Setting(histories, folder / "predictions.parquet")


@pytest.fixture(scope="session")
def market(setting: Setting) -> Market:
    return Market.of(setting.histories, "AAA", 12)
