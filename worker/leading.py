"""The market leaders of the bundles in force, and what is known of their rows."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from contracts.model.bundle import Bundle
from contracts.model.context import Context, LeaderTrack
from contracts.model.intake import Offer
from worker.lineup import Lineup
from worker.step import State, Step


def leaders_of(lineup: Lineup) -> frozenset[str]:
    """The symbols that lead one of the bundles in force."""
    return frozenset(one.spec.leader for one in lineup.bundles if one.spec.leader is not None)


def context_of(state: State, lineup: Lineup, bundle: Bundle, open_time: int) -> Context | None:
    """The leader's features as of the bar before; None where the bundle reads none or none is known."""
    leader = bundle.spec.leader
    return None if leader is None else _track(state, lineup, leader, open_time).before(open_time)


def remembered(step: Step, lineup: Lineup, symbol: str, open_time: int, offer: Offer) -> Step:
    """With the row of the bar that opened then in the symbol's track, where it is a leader's."""
    if symbol not in leaders_of(lineup) or offer.row is None:
        return step
    known = _track(step.state, lineup, symbol, open_time)
    if open_time <= known.last_open_time:
        return step  # training held its row already
    track = known.record(open_time, offer.row, bridged=offer.fold.is_degraded)
    leaders = MappingProxyType({**step.state.leaders, symbol: track})
    return replace(step, state=replace(step.state, leaders=leaders), leaders=frozenset({symbol}))


def _track(state: State, lineup: Lineup, leader: str, open_time: int) -> LeaderTrack:
    """The leader's rows, kept or trained, whichever come closest before the bar that opens then."""
    kept = [state.leaders.get(leader, LeaderTrack.empty())]
    trained = [one.leader for one in lineup.bundles if one.spec.leader == leader]
    return max(kept + trained, key=lambda track: track.reach(open_time))
