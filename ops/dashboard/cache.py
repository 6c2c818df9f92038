"""Everything the page shows of the streams, in memory; one thread writes, any number read."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import numpy as np

from contracts.events import (
    Band,
    DeadLetter,
    DriftAlert,
    NoBandReason,
    Outcome,
    Release,
    RetrainRequest,
    RetrainStatus,
)
from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES, close_time
from ops.dashboard.rows import BAND, BAR, OUTCOME, Rows, Table

REASONS: tuple[str, ...] = get_args(NoBandReason)
KEPT_NOTICES = 5_000
"""Alerts, requests, releases and the like that are kept of each kind."""
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Swap:
    """A bundle swap on record: the moment of its entry in epoch seconds, and the lineup from then on."""

    at: float
    partition: int
    champion: str | None
    challenger: str | None
    share: float


@dataclass(slots=True)
class Notices:
    """The rare messages in their order. Entry ids keep one that is read twice from being told twice."""

    drift: deque[DriftAlert] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))
    requests: deque[RetrainRequest] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))
    statuses: deque[RetrainStatus] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))
    dead: deque[tuple[float, DeadLetter]] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))
    releases: deque[tuple[float, Release]] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))
    swaps: deque[Swap] = field(default_factory=lambda: deque(maxlen=KEPT_NOTICES))


class Cache:
    """Tables by symbol and horizon, notices, and the newest records.

    `version` rises with every change: a page that has shown a version need not ask again.
    """

    def __init__(self, history_days: float = 1_830.0) -> None:
        self._lock = threading.RLock()
        self._history_s = history_days * 86_400
        self._bars: dict[str, Rows] = {}
        self._bands: dict[tuple[str, int], Rows] = {}
        self._outcomes: dict[tuple[str, int], Rows] = {}
        self._newest: dict[tuple[str, int], Band] = {}
        self._bundles: list[str] = []
        self.notices = Notices()
        self.skipped: Counter[str] = Counter()
        """Entries that are none of our messages, by stream."""
        self.version = 0
        self.epoch = 0
        """Rises when everything is forgotten: whoever has added something adds it again."""

    def symbols(self) -> list[str]:
        """Every symbol with a bar or a record."""
        with self._lock:
            return sorted({*self._bars, *(symbol for symbol, _ in self._bands)})

    def bars(self, symbol: str) -> Table:
        """The symbol's bars by close time."""
        with self._lock:
            return self._table(self._bars.get(symbol), BAR)

    def bands(self, symbol: str, horizon: int) -> Table:
        """The records by time of issue."""
        with self._lock:
            return self._table(self._bands.get((symbol, horizon)), BAND)

    def outcomes(self, symbol: str, horizon: int) -> Table:
        """The outcomes by target time."""
        with self._lock:
            return self._table(self._outcomes.get((symbol, horizon)), OUTCOME)

    def newest(self, symbol: str, horizon: int) -> Band | None:
        """The newest record as it was sent."""
        with self._lock:
            return self._newest.get((symbol, horizon))

    def newest_close(self, symbol: str | None = None) -> int | None:
        """When the newest bar of a symbol, or of all, closed; epoch seconds."""
        with self._lock:
            wanted = [rows for name, rows in self._bars.items() if symbol in (None, name)]
            wanted += [rows for (name, _), rows in self._bands.items() if symbol in (None, name)]
            ends = [int(rows.table["at"][-1]) for rows in wanted if len(rows.table)]
            return max(ends, default=None)

    def is_replayed(self) -> bool:
        """Whether the newest record says that it is no live one."""
        with self._lock:
            last = max(self._newest.values(), key=lambda band: band.issued_at, default=None)
            return last is not None and last.origin != "live"

    def bundles(self) -> list[str]:
        """Every label seen, in the order of its first record; a row's `bundle` counts into them."""
        with self._lock:
            return list(self._bundles)

    def bundle_number(self, label: str | None) -> int:
        """The number of a label; -1 of none."""
        if label is None:
            return -1
        with self._lock:
            if label not in self._bundles:
                self._bundles.append(label)
            return self._bundles.index(label)

    def add_bars(self, symbol: str, candles: Iterable[Candle]) -> None:
        """Take accepted bars."""
        rows = [(close_time(c.open_time), c.open, c.high, c.low, c.close) for c in candles]
        with self._lock:
            self._into(self._bars, symbol, BAR).add(rows)
            self._changed(bool(rows))

    def add_history(self, symbol: str, table: Table) -> None:
        """Take archived bars; what the stream has said of the same bar stays."""
        with self._lock:
            told = self._into(self._bars, symbol, BAR)
            known = told.table
            told.merge(table)
            if len(known):
                told.merge(known)
            self._changed(True)

    def add_bands(self, bands: Iterable[Band]) -> None:
        """Take records of the band streams."""
        found: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
        newest: dict[tuple[str, int], Band] = {}
        for band in bands:
            key = (band.symbol, band.horizon_bars)
            found.setdefault(key, []).append(self._band_row(band))
            if key not in newest or newest[key].issued_at <= band.issued_at:
                newest[key] = band
        with self._lock:
            for key, rows in found.items():
                self._into(self._bands, key, BAND).add(rows)
            for key, band in newest.items():
                known = self._newest.get(key)
                if known is None or known.issued_at <= band.issued_at:
                    self._newest[key] = band
            self._changed(bool(found))

    def add_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes."""
        found: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
        for one in outcomes:
            found.setdefault((one.symbol, one.horizon_bars), []).append(self._outcome_row(one))
        with self._lock:
            for key, rows in found.items():
                self._into(self._outcomes, key, OUTCOME).add(rows)
            self._changed(bool(found))

    def add_notices(self, kind: str, notices: Iterable[Any]) -> None:
        """Append to one of the lists of `notices`, oldest first."""
        fresh = list(notices)
        with self._lock:
            getattr(self.notices, kind).extend(fresh)
            self._changed(bool(fresh))

    def told(self, kind: str) -> list[Any]:
        """A copy of one of the lists of `notices`."""
        with self._lock:
            return list(getattr(self.notices, kind))

    def skip(self, stream: str, count: int = 1) -> None:
        """Count entries that could not be read."""
        with self._lock:
            self.skipped[stream] += count

    def forget(self) -> None:
        """Drop everything the streams have said."""
        with self._lock:
            for kept in (self._bars, self._bands, self._outcomes, self._newest, self.skipped):
                kept.clear()
            self.notices = Notices()
            self.epoch += 1
            self._changed(True)

    def trim(self) -> None:
        """Drop what is older than the history that is kept."""
        with self._lock:
            newest = self.newest_close()
            if newest is None:
                return
            for rows in (*self._bars.values(), *self._bands.values(), *self._outcomes.values()):
                rows.drop_before(round(newest - self._history_s))

    def oldest_wanted(self) -> float:
        """Epoch seconds before which nothing is kept."""
        newest = self.newest_close()
        return -np.inf if newest is None else newest - self._history_s

    def row_count(self) -> int:
        """Rows in all tables."""
        with self._lock:
            every = (*self._bars.values(), *self._bands.values(), *self._outcomes.values())
            return sum(len(rows.table) for rows in every)

    def _band_row(self, band: Band) -> tuple[Any, ...]:
        returns, calibration = band.returns, band.calibration
        q = tuple(getattr(returns, name) for name in LEVEL_NAMES) if returns else (NAN,) * 5
        hats = (calibration.q_hat_90, calibration.q_hat_50) if calibration else (NAN, NAN)
        reason = -1 if band.reason is None else REASONS.index(band.reason)
        number = self.bundle_number(band.bundle)
        return (seconds(band.issued_at), band.ref_price, q, *hats, number, reason, bool(band.degraded))

    def _outcome_row(self, one: Outcome) -> tuple[Any, ...]:
        scores = (one.realised, one.hit_90, one.hit_50, one.pinball, one.pit, one.winkler_90)
        rival = one.shadow
        other = (rival.hit_90, rival.hit_50, rival.pinball) if rival else (NAN, NAN, NAN)
        return (
            seconds(one.target_time),
            seconds(one.issued_at),
            *(NAN if score is None else float(score) for score in scores),
            self.bundle_number(one.bundle),
            self.bundle_number(rival.bundle if rival else None),
            *map(float, other),
        )

    @staticmethod
    def _table(rows: Rows | None, kind: np.dtype[Any]) -> Table:
        return np.empty(0, kind) if rows is None else rows.table

    @staticmethod
    def _into(kept: dict[Any, Rows], key: Any, kind: np.dtype[Any]) -> Rows:
        if key not in kept:
            kept[key] = Rows(kind)
        return kept[key]

    def _changed(self, changed: bool) -> None:
        self.version += int(changed)


def seconds(moment: datetime) -> int:
    """A moment in epoch seconds."""
    return int(moment.timestamp())


def missing_bars(table: Table, bars: int) -> int:
    """Bars missing among the newest `bars` of the calendar, after the first one there is."""
    if len(table) < 2:
        return 0
    at = table["at"][table["at"] > table["at"][-1] - bars * BAR_SECONDS]
    return int((at[-1] - at[0]) // BAR_SECONDS + 1 - len(at))
