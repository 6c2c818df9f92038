"""What a retelling folded and issued, kept for proofs: bars by symbol, bands by book and horizon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.events import Band
from contracts.model.bundle import Bundle
from contracts.model.candle import Candle
from contracts.model.context import LeaderTrack
from contracts.model.features import VOLUME
from contracts.model.grid import HORIZONS
from contracts.model.intake import DEFAULT_MAX_GAP_BARS, SymbolFold
from contracts.topics import Topics
from ops.audit.retell import Told
from worker.lineup import Lineup

BookKey = tuple[str, str]
"""A bundle's sha256 and a symbol."""


@dataclass(slots=True)
class Stretch:
    """Bars of one symbol that follow on `start`, folded under one gap rule."""

    start: SymbolFold
    max_gap_bars: int
    candles: list[Candle] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """`lives` are the opening times of the bars a book issued bands at, a list for each life of the book.

    `issued` holds σ and the five return quantiles of every band, published or shadow, by book, horizon and
    opening time; `as_of` the opening time of the leader's row that a bundle's band of a bar read.
    """

    topics: Topics
    stretches: dict[str, list[Stretch]] = field(default_factory=dict)
    lives: dict[BookKey, list[list[int]]] = field(default_factory=dict)
    issued: dict[tuple[BookKey, int, int], tuple[float, ...]] = field(default_factory=dict)
    as_of: dict[tuple[BookKey, int], int] = field(default_factory=dict)
    bundles: dict[str, Bundle] = field(default_factory=dict)
    _folds: dict[str, SymbolFold] = field(default_factory=dict)
    _open: set[BookKey] = field(default_factory=set)

    @property
    def bars(self) -> int:
        """Bars folded, of all symbols."""
        return sum(len(one.candles) for stretches in self.stretches.values() for one in stretches)

    def add(self, told: Told) -> None:
        """Take in one entry's step."""
        for symbol in told.step.touched:
            self._fold(symbol, told.step.state.symbols[symbol], told.lineup)
        by_label = {one.label: one for one in told.lineup.bundles}
        self.bundles |= {one.sha256: one for one in told.lineup.bundles}
        heard: set[BookKey] = set()
        streams = {s(h): h for s in (self.topics.bands, self.topics.shadow) for h in HORIZONS}
        for event in told.step.events:
            horizon = streams.get(event.stream)
            if horizon is None or json.loads(event.payload)["status"] != "band":
                continue
            band = Band.from_wire(event.payload)
            bundle, opened = by_label[str(band.bundle)], int(band.open_time.timestamp())
            key = (bundle.sha256, band.symbol)
            assert band.returns is not None
            assert band.sigma is not None
            self.issued[key, horizon, opened] = (band.sigma, *band.returns.model_dump().values())
            if key not in heard:
                heard.add(key)
                self._issue(key, opened, bundle, told)
        self._open -= {key for key in told.step.books if key not in told.step.state.books}

    def _issue(self, key: BookKey, opened: int, bundle: Bundle, told: Told) -> None:
        lives = self.lives.setdefault(key, [])
        if key not in self._open:
            lives.append([])
            self._open.add(key)
        lives[-1].append(opened)
        if (leader := bundle.spec.leader) is not None:
            kept = told.step.state.leaders.get(leader, LeaderTrack.empty())
            tracks = [kept, *(one.leader for one in told.lineup.bundles if one.spec.leader == leader)]
            times = max(tracks, key=lambda track: track.last_open_time).open_times
            self.as_of[key, opened] = int(times[int(np.searchsorted(times, opened)) - 1])

    def _fold(self, symbol: str, fold: SymbolFold, lineup: Lineup) -> None:
        at, *numbers = fold.features.matrix[: VOLUME + 1, 0].tolist()
        candle = Candle(int(at), *numbers)
        gap = lineup.champion.manifest.max_gap_bars if lineup.champion else DEFAULT_MAX_GAP_BARS
        stretches, before = self.stretches.setdefault(symbol, []), self._folds.get(symbol)
        if before is None or not _follows(before, fold, candle, gap) or stretches[-1].max_gap_bars != gap:
            trained = [one.states[symbol] for one in lineup.bundles if symbol in one.states]
            starts: Sequence[SymbolFold] = [*([before] if before else []), *trained, SymbolFold()]
            start = next(one for one in starts if _follows(one, fold, candle, gap))
            stretches.append(Stretch(start, gap))
        stretches[-1].candles.append(candle)
        self._folds[symbol] = fold


def _follows(before: SymbolFold, after: SymbolFold, candle: Candle, max_gap_bars: int) -> bool:
    """Whether folding `candle` takes `before` to `after`, told by their times and counts."""
    missing = before.missing_before(candle.open_time)
    if missing < 0:
        return False
    restarted = missing > max_gap_bars
    return after.features.count == (1 if restarted else before.features.count + missing + 1)
