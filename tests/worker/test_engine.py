"""The pure engine: one record per accepted bar and horizon, or a reason; the same for any batching."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import Bar, DeadLetter
from contracts.model.calibrator import BandContext
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES, close_time
from contracts.model.intake import SymbolFold
from contracts.topics import Topics, partition_of
from offline.calibration import serve_in_order
from offline.dataset import build_dataset
from tests.market import SYMBOLS, TestMarket, bar_of
from tests.worker.engines import arrivals, bands
from worker import store
from worker.arrival import Arrival, Refusal
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State, Step


def everything(state: State) -> dict[str, bytes]:
    """All fields of a state."""
    step = Step(
        state,
        touched=frozenset(state.symbols),
        leaders=frozenset(state.leaders),
        books=frozenset(state.books),
    )
    return store.fields_of(step)


def dead(step: Step) -> list[DeadLetter]:
    return [DeadLetter.from_wire(e.payload) for e in step.events if e.stream == "bars.dead"]


@pytest.fixture(scope="module")
def engine(market: TestMarket) -> Engine:
    return Engine(Lineup(market.bundle))


def test_every_accepted_bar_gets_one_record_per_horizon(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(50)
    step = engine.run(State(), arrivals(bars))
    for horizon in HORIZONS:
        records = bands(step.events, horizon)
        assert [(r.symbol, r.open_time) for r in records] == [(b.symbol, b.open_time) for b in bars]
        for bar, record in zip(bars, records, strict=True):
            issued = close_time(bar.candle.open_time)
            assert record.is_band
            assert record.issued_at.timestamp() == issued
            assert record.target_time.timestamp() == issued + horizon * BAR_SECONDS
            assert record.ref_price == bar.close
            assert record.bundle == market.bundle.label
            for name in LEVEL_NAMES:
                assert getattr(record.prices, name) == pytest.approx(
                    bar.close * math.exp(getattr(record.returns, name))
                )


@given(cuts=st.sets(st.integers(1, 79), max_size=6))
@settings(max_examples=15)
def test_batching_and_restarting_change_no_byte(engine: Engine, market: TestMarket, cuts: set[int]) -> None:
    stream = arrivals(market.bars(40))
    whole = engine.run(State(), stream)
    state, events = State(), []
    edges = [0, *sorted(cuts), len(stream)]
    for start, stop in itertools.pairwise(edges):
        step = engine.run(state, stream[start:stop])
        events += step.events
        state = step.state
    assert tuple(events) == whole.events
    assert everything(state) == everything(whole.state)


def test_the_order_of_symbols_within_a_close_changes_no_band(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(60)
    shuffled = list(bars)
    random.Random(3).shuffle(shuffled)
    shuffled.sort(key=lambda bar: bar.open_time)
    assert [b.symbol for b in shuffled] != [b.symbol for b in bars]
    first = {e.payload for e in engine.run(State(), arrivals(bars)).events}
    second = {e.payload for e in engine.run(State(), arrivals(shuffled)).events}
    assert first == second


def test_served_bands_equal_the_training_side_bit_for_bit(engine: Engine, market: TestMarket) -> None:
    """Parity: the offline dataset, calibrated in the order of time, says exactly what the stream said."""
    bars = market.bars(160)
    served = {
        (b.symbol, int(b.open_time.timestamp())): b for b in bands(engine.run(State(), arrivals(bars)).events)
    }
    whole = [
        type(market.live[s])(
            s,
            *(
                np.concatenate((getattr(market.training[s], f), getattr(market.live[s], f)))
                for f in ("open_time", "open", "high", "low", "close", "volume")
            ),
        )
        for s in SYMBOLS
    ]
    dataset = build_dataset(whole, market.bundle.spec)
    head = market.bundle.predictor.heads[0]
    for number, name in enumerate(SYMBOLS):
        opened = dataset.close_time - BAR_SECONDS
        mine = [n for n in np.flatnonzero(dataset.symbol == number) if (name, int(opened[n])) in served]
        contexts = [BandContext(int(dataset.close_time[n]), float(dataset.volatility_ratio[n])) for n in mine]
        corrections = market.bundle.predictor.corrections(dataset.rows[mine])[:, 0]
        raw = np.array([head.standardised(one, name) for one in corrections])
        issued, taught = serve_in_order(
            head.calibrators[name], raw, contexts, dataset.targets(42)[mine], 42, int(dataset.close_time[-1])
        )
        assert taught.q_hat != head.calibrators[name].q_hat, "labels closed and taught"
        online = [served[name, int(opened[n])] for n in mine]
        assert [band.sigma for band in online] == dataset.sigma[mine].tolist()
        expected = issued * (dataset.sigma[mine] * math.sqrt(42))[:, None]
        assert [tuple(b.returns.model_dump().values()) for b in online if b.returns] == [
            tuple(row) for row in expected.tolist()
        ]
        assert len(mine) == len(bars) // 2


def test_a_cold_symbol_warms_up_for_360_bars(market: TestMarket) -> None:
    bars = market.bars(385, symbols=("AAA",))[20:]  # too far from where the bundle's state stops
    cold = Engine(Lineup(market.bundle))
    state = State({"AAA": SymbolFold()})
    records = bands(cold.run(state, arrivals(bars)).events)
    reasons = [r.reason for r in records]
    assert reasons[:360] == ["warming_up"] * 360
    assert records[359].detail == "1 more bars are needed before the first band"
    assert reasons[360:] == ["no_context"] + [None] * 4, "the leader's own context is a bar older"


def test_a_bridged_gap_degrades_and_a_long_one_restarts(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(60, symbols=("AAA",))
    step = engine.run(State(), arrivals(bars[:10] + bars[13:30]))
    records = bands(step.events)
    assert len(records) == 27, "bridged bars emit nothing"
    flagged = [r.degraded or () for r in records]
    assert ["bridged_bars" in f for f in flagged] == [False] * 10 + [True] * 5 + [False] * 12
    restarted = bands(engine.run(State(), arrivals(bars[:10] + bars[23:30])).events)
    assert [r.reason for r in restarted[10:]] == ["gap"] + ["warming_up"] * 6


def test_a_missing_leader_bar_marks_the_band_and_delays_nothing(engine: Engine, market: TestMarket) -> None:
    bars = [
        b for b in market.bars(12) if not (b.symbol == "AAA" and b.open_time == market.bars(6)[-1].open_time)
    ]
    records = [r for r in bands(engine.run(State(), arrivals(bars)).events) if r.symbol == "BBB"]
    assert [r.degraded for r in records] == [None] * 6 + [("leader_missing",)] * 6


def test_repeats_are_ignored_conflicts_and_late_bars_are_dead(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(5, symbols=("AAA",))
    state = engine.run(State(), arrivals(bars)).state
    again = engine.step(state, arrivals([bars[2]])[0])
    assert again.events == ()
    assert again.state is state
    changed = bars[2].model_copy(update={"volume": bars[2].volume + 1})
    conflict = engine.step(state, arrivals([Bar.from_wire(changed.to_wire())])[0])
    assert [d.reason for d in dead(conflict)] == ["conflict"]
    ancient = market.training["AAA"].candles()[0]
    late = engine.step(state, arrivals([bar_of("AAA", ancient)])[0])
    assert [d.reason for d in dead(late)] == ["late"]
    assert late.state is conflict.state is state


def test_an_unknown_symbol_is_told_so_and_keeps_no_state(engine: Engine, market: TestMarket) -> None:
    stranger = bar_of("ZZZ", market.live["AAA"].candles()[0])
    step = engine.step(State(), arrivals([stranger])[0])
    assert [r.reason for h in HORIZONS for r in bands(step.events, h)] == ["unknown_symbol"] * 4
    assert not step.state.symbols
    assert not step.latest


def test_backfilled_bars_fold_and_say_so(engine: Engine, market: TestMarket) -> None:
    candles = market.live["AAA"].candles()
    bars = [bar_of("AAA", c, origin="backfill") for c in candles[:5]] + [bar_of("AAA", candles[5])]
    records = bands(engine.run(State(), arrivals(bars)).events)
    assert [r.reason for r in records] == ["backfill"] * 5 + [None]
    assert [r.origin for r in records] == ["backfill"] * 5 + ["live"]
    straight = bands(engine.run(State(), arrivals(market.bars(6, symbols=("AAA",)))).events)
    assert records[5] == straight[5]


def test_a_context_copy_of_the_leader_is_folded_in_silence(engine: Engine, market: TestMarket) -> None:
    copies = [bar_of("AAA", c, role="context") for c in market.live["AAA"].candles()[:20]]
    homes = [Engine(Lineup(market.bundle), Topics(p, 2)) for p in range(2)]
    away = next(e for e in homes if partition_of("AAA", 2) != e.topics.partition)
    step = away.run(State(), arrivals(copies))
    assert step.events == ()
    plain = engine.run(State(), arrivals(market.bars(20, symbols=("AAA",))))
    assert everything(replace(step.state, books={})) == everything(replace(plain.state, books={}))
    assert not step.state.books, "what another partition answers for is not promised here"
    other = bar_of("BBB", market.live["BBB"].candles()[0], role="context")
    refused = engine.step(State(), arrivals([other])[0])
    assert [letter.reason for letter in dead(refused)] == ["wrong_partition"]
    own = engine.run(State(), arrivals([copies[0], *market.bars(1, symbols=("AAA",))]))
    assert [letter.reason for letter in dead(own)] == ["wrong_partition"]
    assert [r.reason for r in bands(own.events)] == [None], "a stray copy never silences the leader"


def test_without_a_bundle_known_symbols_fold_and_nobody_gets_a_band(market: TestMarket) -> None:
    bars = market.bars(3, symbols=("AAA",))
    no_bundle = Engine()
    nothing = no_bundle.run(State(), arrivals(bars))
    assert {r.reason for r in bands(nothing.events)} == {"no_bundle"}
    assert not nothing.state.symbols
    known = no_bundle.run(State({"AAA": market.bundle.states["AAA"]}), arrivals(bars))
    assert {r.reason for r in bands(known.events)} == {"no_bundle"}
    assert known.touched == {"AAA"}


def test_a_symbol_of_another_partition_is_dead(market: TestMarket) -> None:
    engines = [Engine(Lineup(market.bundle), Topics(p, 2)) for p in range(2)]
    bar = arrivals(market.bars(1, symbols=("AAA",)))[0]
    streams = sorted({e.stream for engine in engines for e in engine.step(State(), bar).events})
    home = next(p for p in range(2) if f"bands.T42.{{{p}}}" in streams)
    assert f"bars.dead.{{{1 - home}}}" in streams


def test_a_refusal_becomes_a_dead_letter_with_the_original_bytes(engine: Engine) -> None:
    fields = {b"data": b"\xff\x00", b"x": "ü".encode()}
    step = engine.step(
        State(), Arrival("7-1", fields, Refusal("invalid_bar", "expected JSON, found rubbish"))
    )
    (letter,) = dead(step)
    assert (letter.reason, letter.entry, letter.size_bytes, letter.truncated) == (
        "invalid_bar",
        "7-1",
        9,
        False,
    )
    assert [(f.name, f.text, f.base64) for f in letter.fields] == [("data", None, "/wA="), ("x", "ü", None)]


def test_a_stale_state_gives_way_to_a_newer_trained_one(engine: Engine, market: TestMarket) -> None:
    """A worker that was down for months catches up from the bundle instead of warming up for 60 days."""
    old = SymbolFold()
    for candle in market.training["AAA"].candles()[:400]:
        old = old.offer(candle).fold
    records = bands(engine.run(State({"AAA": old}), arrivals(market.bars(3, symbols=("AAA",)))).events)
    assert [r.reason for r in records] == [None] * 3


def test_a_cold_state_gives_way_to_a_warm_trained_one_that_connects(
    engine: Engine, market: TestMarket
) -> None:
    """A bundle retrained after an outage ends the warming up."""
    cold = SymbolFold().offer(market.training["AAA"].candles()[-1]).fold
    records = bands(engine.run(State({"AAA": cold}), arrivals(market.bars(2, symbols=("AAA",)))).events)
    assert [r.reason for r in records] == [None, None]


def test_the_state_that_misses_fewer_bars_is_continued(engine: Engine, market: TestMarket) -> None:
    behind = SymbolFold()
    for candle in market.training["AAA"].candles()[:-5]:
        behind = behind.offer(candle).fold
    (record,) = bands(engine.run(State({"AAA": behind}), arrivals(market.bars(1, symbols=("AAA",)))).events)
    assert record.degraded is None, "the bundle holds the real bars: nothing is bridged"


def test_bands_over_a_bridged_leader_are_degraded(engine: Engine, market: TestMarket) -> None:
    gap = {bar.open_time for bar in market.bars(8, symbols=("AAA",))[3:5]}
    bars = [b for b in market.bars(16) if b.symbol == "BBB" or b.open_time not in gap]
    records = [r for r in bands(engine.run(State(), arrivals(bars)).events) if r.symbol == "BBB"]
    flagged = [r.degraded == ("leader_missing",) for r in records]
    # Bars 4 and 5 lack the leader's last bar; then its shortest window holds bridged bars for five more.
    assert flagged == [False] * 4 + [True] * 7 + [False] * 5


def test_a_leader_silent_for_ten_days_is_no_context(engine: Engine, market: TestMarket) -> None:
    bars = [b for b in market.bars(80) if b.symbol == "BBB"]
    reasons = [r.reason for r in bands(engine.run(State(), arrivals(bars)).events)]
    assert reasons == [None] * 64 + ["no_context"] * 16


def test_an_implausible_bar_marks_the_bands_that_remember_it(engine: Engine, market: TestMarket) -> None:
    bars = market.bars(6, symbols=("AAA",))
    fat = bars[2].model_copy(update={"high": bars[2].high * 100})
    bars[2] = Bar.from_wire(fat.to_wire())
    records = bands(engine.run(State(), arrivals(bars)).events)
    assert [r.degraded for r in records] == [None, None] + [("extreme_bar",)] * 4


def test_a_bug_in_the_engine_buries_one_bar_and_serves_the_next(
    engine: Engine, market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = arrivals(market.bars(3, symbols=("AAA",)))
    real = Engine._offer

    def broken(self: Engine, state: State, bar: Bar) -> object:
        if bar == bars[1].content:
            raise ZeroDivisionError("a bug")
        return real(self, state, bar)

    monkeypatch.setattr(Engine, "_offer", broken)
    step = engine.run(State(), bars)
    assert [letter.reason for letter in dead(step)] == ["failed"]
    assert step.failures == ("2-0: ZeroDivisionError: a bug",)
    assert [r.is_band for r in bands(step.events)] == [True, True]
