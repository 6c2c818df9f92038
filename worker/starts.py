"""From which fold a symbol goes on: the one this worker kept, or one that training left."""

from __future__ import annotations

from contracts.model.intake import DEFAULT_MAX_GAP_BARS, SymbolFold
from worker.lineup import Lineup
from worker.step import State


def max_gap_bars(lineup: Lineup) -> int:
    """The gap rule in force: the champion's."""
    champion = lineup.champion
    return champion.manifest.max_gap_bars if champion else DEFAULT_MAX_GAP_BARS


def starting_fold(state: State, lineup: Lineup, symbol: str, open_time: int) -> SymbolFold:
    """The fold that connects to the bar that opens then, rather a warm one, rather the fuller one."""
    kept = state.symbols.get(symbol)
    trained = [one.states[symbol] for one in lineup.bundles if symbol in one.states]
    if kept is not None and (not trained or kept.missing_before(open_time) < 0):
        return kept
    bridged = max_gap_bars(lineup)

    def merit(fold: SymbolFold) -> tuple[bool, bool, int]:
        missing = fold.missing_before(open_time)
        return 0 <= missing <= bridged, fold.features.is_warm, -missing

    starts = [*([kept] if kept is not None else []), *trained]
    return max(starts, key=merit, default=SymbolFold())
