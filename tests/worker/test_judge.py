"""Outcomes: every published band is judged once, by time, with the score of what was said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contracts.events import Band, Outcome
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.scores import hits, pinball, pit, winkler
from tests.market import TestMarket
from tests.worker.engines import arrivals, bands, outcomes
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State


@pytest.fixture(scope="module")
def engine(market: TestMarket) -> Engine:
    return Engine(Lineup(market.bundle))


def key(record: Band | Outcome) -> tuple[str, int, int]:
    return record.symbol, record.horizon_bars, int(record.issued_at.timestamp())


@pytest.mark.parametrize("horizon", HORIZONS)
def test_every_band_is_judged_when_its_target_bar_closes(
    engine: Engine, market: TestMarket, horizon: int
) -> None:
    bars = market.bars(100)
    events = engine.run(State(), arrivals(bars)).events
    closes = {(b.symbol, b.candle.open_time + BAR_SECONDS): b.close for b in bars}
    judged = outcomes(events, horizon)
    issued = {key(band): band for band in bands(events, horizon)}
    due = [k for k in issued if (k[0], k[2] + horizon * BAR_SECONDS) in closes]
    assert [key(one) for one in judged] == due
    for one in judged:
        band = issued[key(one)]
        assert (one.status, one.bundle, one.origin) == ("resolved", band.bundle, "live")
        assert one.target_time == band.target_time
        close = closes[one.symbol, int(one.target_time.timestamp())]
        assert one.realised == math.log(close / band.ref_price)
        assert band.returns is not None
        y, q = np.array([one.realised]), np.array([list(band.returns.model_dump().values())])
        assert one.hit_90 == bool(hits(y, q, 0.90)[0])
        assert one.hit_50 == bool(hits(y, q, 0.50)[0])
        assert one.pinball == float(pinball(y, q).mean())
        assert one.pit == float(pit(y, q)[0])
        assert one.winkler_90 == float(winkler(y, q, 0.90)[0])
        assert one.winkler_50 == float(winkler(y, q, 0.50)[0])


def test_a_bridged_target_bar_resolves_nothing_and_teaches_nothing(
    engine: Engine, market: TestMarket
) -> None:
    bars = market.bars(100, symbols=("AAA",))
    holed = bars[:60] + bars[63:]
    events = engine.run(State(), arrivals(holed)).events
    judged = outcomes(events, 42)
    open_ = {int(b.issued_at.timestamp()): n for n, b in enumerate(bands(events, 42))}
    unresolved = [one for one in judged if one.status == "unresolved"]
    assert [open_[int(one.issued_at.timestamp())] for one in unresolved] == [18, 19, 20]
    assert {one.reason for one in unresolved} == {"bridged"}
    assert len({key(one) for one in judged}) == len(judged) == len(holed) + 3 - 42


def test_a_gap_that_restarts_the_symbol_leaves_its_bands_unresolved(
    engine: Engine, market: TestMarket
) -> None:
    bars = market.bars(110, symbols=("AAA",))
    events = engine.run(State(), arrivals(bars[:30] + bars[90:])).events
    judged = outcomes(events, 48)
    assert len(judged) == 30
    missing = [one for one in judged if one.reason == "missing"]
    assert len(missing) == 30, "every target lay in the gap"
    resolved_later = engine.run(State(), arrivals(bars[:30] + bars[60:])).events
    reasons = [one.reason for one in outcomes(resolved_later, 48)]
    assert reasons == ["missing"] * 12 + [None] * 18, "bands whose target came after the gap are judged by it"


def test_labels_teach_the_calibrator_and_the_next_band_says_so(engine: Engine, market: TestMarket) -> None:
    told = bands(engine.run(State(), arrivals(market.bars(80, symbols=("AAA",)))).events, 42)
    widths = [band.calibration.q_hat_90 for band in told if band.calibration]
    assert len(set(widths[:42])) == 1, "no label has closed"
    assert len(set(widths[42:])) == len(widths[42:]), "every closed label moves it"


def test_a_price_beyond_every_quotient_is_still_judged(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(60, symbols=("AAA",))
    tiny = dict.fromkeys(("open", "high", "low", "close"), 1e-200)
    huge = dict.fromkeys(("open", "high", "low", "close"), 1e200)
    bars[5] = bars[5].model_copy(update=tiny)
    bars[47] = bars[47].model_copy(update=huge)
    events = engine.run(State(), arrivals(bars)).events
    assert not [e for e in events if e.stream == "bars.dead"]
    assert len(outcomes(events)) >= 17


def test_a_bar_without_a_band_is_never_judged(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(100, symbols=("AAA",))
    filled = [bar.model_copy(update={"origin": "backfill"}) for bar in bars[:50]] + bars[50:]
    judged = outcomes(engine.run(State(), arrivals(filled)).events, 42)
    assert len(judged) == 100 - 50 - 42
