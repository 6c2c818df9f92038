"""Champion and challenger: who answers, who shadows, and what each takes along when they change places."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model.grid import BAR_SECONDS, HORIZONS
from tests.market import SYMBOLS, TestMarket
from tests.worker.engines import arrivals, bands, outcomes
from worker import store
from worker.engine import Engine
from worker.lineup import Lineup, share_of
from worker.step import State, Step


@pytest.fixture(scope="module")
def duel(market: TestMarket, rival_market: TestMarket) -> Lineup:
    return Lineup(market.bundle, rival_market.bundle)


def test_a_shadow_changes_no_published_byte_but_the_scores_beside_it(
    duel: Lineup, market: TestMarket
) -> None:
    stream = arrivals(market.bars(100))
    alone = Engine(Lineup(duel.champion)).run(State(), stream).events
    both = Engine(duel).run(State(), stream).events
    for horizon in HORIZONS:
        published = [e for e in both if e.stream == f"bands.T{horizon}"]
        assert published == [e for e in alone if e.stream == f"bands.T{horizon}"]
        paired = outcomes(both, horizon)
        assert [o.model_copy(update={"shadow": None}) for o in paired] == outcomes(alone, horizon)
        assert duel.challenger is not None
        assert all(o.shadow and o.shadow.bundle == duel.challenger.label for o in paired)


def test_the_shadow_says_what_the_challenger_would_have_said(duel: Lineup, market: TestMarket) -> None:
    stream = arrivals(market.bars(100))
    both = Engine(duel).run(State(), stream).events
    alone = Engine(Lineup(duel.challenger)).run(State(), stream).events
    assert bands(both, 54, "shadow") == bands(alone, 54)
    scored = [o.shadow.pinball for o in outcomes(both, 54) if o.shadow]
    assert scored == [o.pinball for o in outcomes(alone, 54)]


def test_a_share_of_symbols_is_served_by_the_challenger(duel: Lineup, market: TestMarket) -> None:
    low, high = sorted(SYMBOLS, key=share_of)
    split = replace(duel, share=(share_of(low) + share_of(high)) / 2)
    events = Engine(split).run(State(), arrivals(market.bars(60))).events
    assert duel.champion is not None
    assert duel.challenger is not None
    served = {(b.symbol, b.bundle) for b in bands(events)}
    assert served == {(low, duel.challenger.label), (high, duel.champion.label)}
    shadowed = {(b.symbol, b.bundle) for b in bands(events, kind="shadow")}
    assert shadowed == {(low, duel.champion.label), (high, duel.challenger.label)}
    judged = {(o.symbol, o.bundle, o.shadow.bundle if o.shadow else None) for o in outcomes(events)}
    assert judged == {
        (low, duel.challenger.label, duel.champion.label),
        (high, duel.champion.label, duel.challenger.label),
    }


def test_promotion_and_rollback_keep_what_each_has_learnt(duel: Lineup, market: TestMarket) -> None:
    stream = arrivals(market.bars(200))
    cuts = [
        (duel, 0, 160),
        (Lineup(duel.challenger, duel.champion), 160, 280),
        (Lineup(duel.champion), 280, 400),
    ]
    state, events = State(), []
    for lineup, start, stop in cuts:
        step = Engine(lineup).run(state, stream[start:stop])
        state, events = step.state, [*events, *step.events]
    alone = Engine(Lineup(duel.champion)).run(State(), stream).events
    rival = Engine(Lineup(duel.challenger)).run(State(), stream).events
    told, champions, challengers = bands(events), bands(alone), bands(rival)
    assert told[:160] == champions[:160]
    assert told[160:280] == challengers[160:280], "the challenger brings what it learned in shadow"
    assert told[280:] == champions[280:], "shadowed meanwhile, the old one has missed nothing"
    judged = outcomes(events)
    assert len(judged) == len(outcomes(alone))
    assert {o.issued_at for o in judged} == {o.issued_at for o in outcomes(alone)}


def test_a_retired_bundle_settles_its_bands_and_only_the_newest_stays(
    duel: Lineup, market: TestMarket, plain_market: TestMarket
) -> None:
    stream = arrivals(market.bars(330, symbols=("AAA",)))
    first, second, third = duel.champion, duel.challenger, plain_market.bundle
    assert first is not None
    assert second is not None
    state, judged = State(), []
    for bundle, start, stop in ((first, 0, 80), (second, 80, 160), (third, 160, 330)):
        step = Engine(Lineup(bundle)).run(state, stream[start:stop])
        state, judged = step.state, [*judged, *outcomes(step.events, 60)]
    assert len(judged) == 330 - 60
    assert [o.bundle for o in judged] == [first.label] * 80 + [second.label] * 80 + [third.label] * 110
    assert {sha for sha, _ in state.books} == {second.sha256, third.sha256}
    gone = Step(state, books=frozenset({(first.sha256, "AAA")}))
    assert list(store.fields_of(gone).values()) == [store.GONE]


def test_the_record_tells_a_lineup_apart(duel: Lineup) -> None:
    record = duel.record("5-0")
    assert duel.is_on(record)
    assert duel.champion is not None
    assert json.loads(record)["label"] == duel.champion.label
    others = [Lineup(duel.champion), Lineup(duel.challenger, duel.champion), replace(duel, share=0.5)]
    assert not any(other.is_on(record) for other in others)
    assert not duel.is_on("")


def test_a_leader_nobody_has_followed_is_refused(duel: Lineup) -> None:
    assert duel.champion is not None
    leader, reach = duel.champion.spec.leader, duel.champion.leader.last_open_time
    assert leader is not None
    assert duel.refusal(None, {}) is None
    assert duel.refusal(reach + 64 * BAR_SECONDS, {}) is None
    told = duel.refusal(reach + 65 * BAR_SECONDS, {})
    assert told is not None
    assert "train it on bars up to now" in told
    assert duel.refusal(reach + 65 * BAR_SECONDS, {leader: reach + BAR_SECONDS}) is None


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=32))
def test_a_share_is_nested(symbol: str) -> None:
    assert 0.0 <= share_of(symbol) < 1.0


def test_shares_of_many_symbols_are_even() -> None:
    """Of 1,000 names 300 are expected below 0.3, within five standard deviations."""
    below = sum(share_of(f"COIN{n}USDT") < 0.3 for n in range(1_000))
    assert abs(below - 300) < 5 * 14.5


def test_a_bundle_trained_past_the_stream_serves_its_backlog_and_leaves_readable_state(
    market: TestMarket, ahead_market: TestMarket
) -> None:
    """The worker was away while a bundle learnt from the very bars that wait for it."""
    stream = arrivals(market.bars(120))
    before = Engine(Lineup(market.bundle)).run(State(), stream[:20]).state
    step = Engine(Lineup(ahead_market.bundle)).run(before, stream[20:])
    assert not [event for event in step.events if event.stream == "bars.dead"]
    assert all(one.is_band for one in bands(step.events))
    assert len(outcomes(step.events)) == 2 * (120 - 42)
    everything = Step(
        step.state,
        touched=frozenset(step.state.symbols),
        leaders=frozenset(step.state.leaders),
        books=frozenset(step.state.books),
    )
    fields = store.fields_of(everything)
    assert store.state_of(fields).symbols.keys() == step.state.symbols.keys()


def test_a_symbol_the_new_champion_lacks_has_its_open_bands_judged_and_can_come_back(
    market: TestMarket,
) -> None:
    without = SimpleNamespace(
        sha256="f" * 64,
        label="0.9.0+ffffffffffff",
        symbols=("AAA",),
        spec=market.bundle.spec,
        states={},
        leader=market.bundle.leader,
        manifest=market.bundle.manifest,
    )
    stream = arrivals(market.bars(100, symbols=("BBB",)))
    old, new = Engine(Lineup(market.bundle)), Engine(Lineup(without))  # type: ignore[arg-type]
    first = old.run(State(), stream[:30])
    away = new.run(first.state, stream[30:80])
    assert {record.reason for record in bands(away.events)} == {"unknown_symbol"}
    assert [o.status for o in outcomes(away.events)] == ["resolved"] * 30
    back = old.run(away.state, stream[80:])
    assert all(
        record.degraded is None or "bridged_bars" not in record.degraded for record in bands(back.events)
    )
    assert all(record.reason in (None, "no_context") for record in bands(back.events))
