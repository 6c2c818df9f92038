"""The paired scores of one champion and one challenger, bar by bar: everything a verdict is computed from.

A cell is one symbol and horizon of a bar. It is opened when both bundles gave a band for it and closed by its
outcome; the cells of a bar add up in its row. Adding the same cell twice changes nothing, so that a stream
may be read again. A row is settled, and changes no more, a day after its longest label has closed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

from contracts.events import Band, Outcome
from contracts.model.grid import BAR_SECONDS, HORIZONS
from offline.shadow.evidence import LAG_BARS
from offline.shadow.stake import stakes

GRACE_BARS = 6
"""A day: how far one partition may lag behind another before its outcomes come too late to count."""
Key = tuple[str, int, int]
"""Symbol, horizon in bars, time of issue in epoch seconds."""
_ROUNDING = 1e-9


@dataclass(slots=True)
class Row:
    """Sums over the closed cells of one bar; losses are pinball, weighted as in `Stakes`."""

    cells: int = 0
    """A bit per cell: which ones are in."""
    n: int = 0
    champion_loss: float = 0.0
    challenger_loss: float = 0.0
    worst: float = 0.0
    best: float = 0.0
    champion_hits_90: int = 0
    challenger_hits_90: int = 0
    champion_hits_50: int = 0
    challenger_hits_50: int = 0

    def values(self) -> list[float]:
        """The fields in their order."""
        return [getattr(self, one.name) for one in fields(self)]


@dataclass(slots=True)
class Ledger:
    """What is known of one pair of bundles, by their labels.

    `after_ms` is a moment on the server's clock: records written before it are another comparison's.
    `cursors` maps each stream to the last entry read and the entries ever added by then. `left_out` counts
    outcomes that could not be used, by reason: `unresolved` (no label), `unpaired` (only one bundle gave a
    band), `late` (after the row was settled), `inconsistent` (a score its bands can not have), `trimmed`
    (stream entries gone before they were read), `unreadable`.
    """

    champion: str
    challenger: str
    after_ms: int = 0
    symbols: list[str] = field(default_factory=list)
    cursors: dict[str, tuple[str, int]] = field(default_factory=dict)
    open: dict[Key, tuple[float, float, float]] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    newest: int = 0
    """The newest target time that has closed, epoch seconds."""
    settled_until: int = 0
    """Rows issued up to here are settled."""
    begins: int = 0
    """When the first pair of bands was issued; 0 before there is one."""

    def issue(self, pairs: Iterable[tuple[Band, Band]]) -> None:
        """Open the cells for which the two bundles of this ledger each gave a band, in either order."""
        ours = [
            (a, b) if a.bundle == self.champion else (b, a)
            for a, b in pairs
            if {a.bundle, b.bundle} == {self.champion, self.challenger} and a.is_band and b.is_band
        ]
        if not ours:
            return
        found = stakes([_returns(a) for a, _ in ours], [_returns(b) for _, b in ours])
        for n, (band, _) in enumerate(ours):
            key = _key(band)
            told = (float(found.weight[n]), float(found.worst[n]), float(found.best[n]))
            if math.isfinite(told[0]) and not self._holds(key):
                self.open[key] = told
                self.begins = min(self.begins or key[2], key[2])

    def close(self, outcome: Outcome) -> None:
        """Add an outcome to its bar's row, or count why it is left out."""
        if outcome.bundle not in (self.champion, self.challenger):
            return
        key = _key(outcome)
        if not 0 < self.begins <= key[2] or self._holds(key):
            return
        self.newest = max(self.newest, int(outcome.target_time.timestamp()))
        opened = self.open.pop(key, None)
        reason = self._put(key, opened, outcome)
        if reason is not None:
            self.left_out[reason] += 1

    def settle(self) -> None:
        """Settle the rows whose time has come: call it when everything there is to read has been read."""
        due = self.newest - (LAG_BARS + GRACE_BARS) * BAR_SECONDS
        self.settled_until = max(self.settled_until, due)
        horizon = LAG_BARS * BAR_SECONDS
        self.open = {key: told for key, told in self.open.items() if key[2] + horizon >= self.settled_until}

    def settled(self) -> list[tuple[int, Row]]:
        """Settled rows by their time of issue, oldest first."""
        return sorted((at, row) for at, row in self.rows.items() if at <= self.settled_until)

    def _put(self, key: Key, opened: tuple[float, float, float] | None, outcome: Outcome) -> str | None:
        other = outcome.shadow
        if outcome.status != "resolved" or outcome.pinball is None:
            return "unresolved" if opened is not None else "unpaired"
        if opened is None or other is None:
            return "unpaired"
        if {outcome.bundle, other.bundle} != {self.champion, self.challenger}:
            return "unpaired"
        at = key[2]
        if at <= self.settled_until:
            return "late"
        own = (outcome.pinball, bool(outcome.hit_90), bool(outcome.hit_50))
        theirs = (other.pinball, other.hit_90, other.hit_50)
        champion, challenger = (own, theirs) if outcome.bundle == self.champion else (theirs, own)
        weight, worst, best = opened
        gain = weight * (champion[0] - challenger[0])
        if not -worst - _ROUNDING <= gain <= best + _ROUNDING:
            return "inconsistent"
        row = self.rows.setdefault(at, Row())
        row.cells |= self._bit(key)
        row.n += 1
        row.champion_loss += weight * champion[0]
        row.challenger_loss += weight * challenger[0]
        row.worst += worst
        row.best += best
        row.champion_hits_90 += champion[1]
        row.challenger_hits_90 += challenger[1]
        row.champion_hits_50 += champion[2]
        row.challenger_hits_50 += challenger[2]
        return None

    def _holds(self, key: Key) -> bool:
        row = self.rows.get(key[2])
        return row is not None and bool(row.cells & self._bit(key))

    def _bit(self, key: Key) -> int:
        symbol, horizon, _ = key
        if symbol not in self.symbols:
            self.symbols.append(symbol)
        return 1 << (self.symbols.index(symbol) * len(HORIZONS) + HORIZONS.index(horizon))


def _key(record: Band | Outcome) -> Key:
    return record.symbol, record.horizon_bars, int(record.issued_at.timestamp())


def _returns(band: Band) -> Sequence[float]:
    return list(band.returns.model_dump().values()) if band.returns else []
