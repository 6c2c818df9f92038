"""The window over the outcomes: what counts, what has left it, what a reader sees."""

from __future__ import annotations

import pytest

from contracts.model.grid import BAR_SECONDS
from tests.market import TestMarket
from tests.worker.engines import arrivals, outcomes
from worker.engine import Engine
from worker.lineup import Lineup
from worker.scoreboard import Scoreboard
from worker.step import State


def test_a_window_holds_the_newest_outcomes_alone(market: TestMarket) -> None:
    events = Engine(Lineup(market.bundle)).run(State(), arrivals(market.bars(200))).events
    told = outcomes(events)
    board = Scoreboard(window_bars=50)
    board.add(told)
    newest = max(one.target_time.timestamp() for one in told)
    for symbol, horizon, standing in board.standings():
        inside = [
            one
            for one in told
            if one.symbol == symbol and one.target_time.timestamp() > newest - 50 * BAR_SECONDS
        ]
        assert horizon == 42
        assert standing.resolved == len(inside) == 50
        assert standing.coverage_90 == sum(bool(one.hit_90) for one in inside) / 50
        assert standing.pinball == pytest.approx(sum(one.pinball or 0.0 for one in inside) / 50)
        assert standing.effective == pytest.approx(50 / 42, abs=0.05)
        below = [standing.below[name] for name in ("q05", "q25", "q50", "q75", "q95")]
        assert below == sorted(below)
        assert below[4] - below[0] == pytest.approx(standing.coverage_90, abs=1e-9)


def test_nothing_resolved_stands_nowhere() -> None:
    assert not list(Scoreboard().standings())
