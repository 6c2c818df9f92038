"""Outcomes: what became of the bands whose target bar has closed.

Time decides, never row count: a label is the close of the bar that closes at the target time. When that bar
is missing or was bridged, the outcome says so and nothing learns from it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from contracts.events import Outcome, ShadowScore
from contracts.model.calibrator import BandContext, ClosedLabel, StaleLabelError
from contracts.model.grid import BAR_SECONDS
from contracts.model.scores import hits, pinball, pit, winkler
from worker.book import (
    CLOSE_TIME,
    ISSUED,
    LIVE,
    ORIGIN,
    ORIGINS,
    RAW,
    REF_PRICE,
    SIGMA,
    VOLATILITY_RATIO,
    Book,
)
from worker.step import BookKey

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Closed:
    """One band whose time has come: `score` and `realised` are None where it has no label."""

    key: BookKey
    label: str
    horizon: int
    row: Array
    realised: float | None = None
    score: ShadowScore | None = None

    @property
    def issued_at(self) -> int:
        """Epoch seconds of the close of the bar the band was issued at."""
        return int(self.row[CLOSE_TIME])

    @property
    def target_time(self) -> int:
        """Epoch seconds at which its label closes."""
        return self.issued_at + self.horizon * BAR_SECONDS

    @property
    def unit(self) -> float:
        """σ√T in log-return units."""
        return float(self.row[SIGMA]) * math.sqrt(self.horizon)


@dataclass(frozen=True, slots=True)
class Judged:
    """The books after the labels that closed, every band that closed, and the published ones' outcomes."""

    books: Mapping[BookKey, Book]
    closed: tuple[Closed, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def judge(
    books: Mapping[BookKey, Book], symbol: str, closed_at: int, close: float, *, bridged: bool
) -> Judged:
    """Settle every band of `symbol` that is due when the bar that closes at `closed_at` has been folded.

    `close` is that bar's; `bridged` says that bars missing before it were bridged, not that it starts anew.
    """
    due = [one for key, book in books.items() for one in _due(key, book, closed_at)]
    if not due:
        return Judged(books)
    closed = _scored(due, closed_at, close)
    settled = {key: _settled(book, key, closed) for key, book in books.items()}
    return Judged(MappingProxyType(settled), tuple(closed), _outcomes(closed, symbol, bridged=bridged))


def _due(key: BookKey, book: Book, closed_at: int) -> Iterator[Closed]:
    for horizon, rows in book.open.items():
        for row in rows:
            one = Closed(key, book.label, horizon, row)
            if one.target_time > closed_at:
                break
            yield one


def _scored(due: Sequence[Closed], closed_at: int, close: float) -> list[Closed]:
    """With the scores of those that have a label: their target bar is the one that closed."""
    labelled = [one for one in due if one.target_time == closed_at]
    if not labelled:
        return list(due)
    y = np.array([log_return(float(one.row[REF_PRICE]), close) for one in labelled])
    q = np.array([one.row[ISSUED] * one.unit for one in labelled])
    loss, rank = pinball(y, q).mean(axis=1), pit(y, q)
    hit = {coverage: hits(y, q, coverage) for coverage in (0.90, 0.50)}
    spread = {coverage: winkler(y, q, coverage) for coverage in (0.90, 0.50)}
    scores = {
        id(one): (
            float(y[n]),
            ShadowScore(
                bundle=one.label,
                hit_90=bool(hit[0.90][n]),
                hit_50=bool(hit[0.50][n]),
                pinball=float(loss[n]),
                pit=float(rank[n]),
                winkler_90=float(spread[0.90][n]),
                winkler_50=float(spread[0.50][n]),
            ),
        )
        for n, one in enumerate(labelled)
    }
    found = []
    for one in due:
        realised, score = scores.get(id(one), (None, None))
        found.append(replace(one, realised=realised, score=score))
    return found


def log_return(ref_price: float, close: float) -> float:
    """log(close / ref_price), of prices further apart than a quotient can say too."""
    ratio = close / ref_price
    return math.log(ratio) if 0.0 < ratio < math.inf else math.log(close) - math.log(ref_price)


def _settled(book: Book, key: BookKey, closed: Sequence[Closed]) -> Book:
    """The book without the bands that closed, its calibrators taught by their labels."""
    opened, calibrators = dict(book.open), dict(book.calibrators)
    for one in closed:
        if one.key != key:
            continue
        opened[one.horizon] = opened[one.horizon][1:]
        if one.realised is not None:
            with contextlib.suppress(StaleLabelError):  # training knew labels newer than this one
                calibrators[one.horizon] = calibrators[one.horizon].update(_lesson(one, one.realised))
    return replace(book, open=MappingProxyType(opened), calibrators=MappingProxyType(calibrators))


def _lesson(one: Closed, realised: float) -> ClosedLabel:
    return ClosedLabel(
        quantiles=tuple(one.row[RAW].tolist()),
        issued=tuple(one.row[ISSUED].tolist()),
        y=realised / one.unit,
        context=BandContext(one.issued_at, float(one.row[VOLATILITY_RATIO])),
        closed_at=one.target_time,
    )


def _outcomes(closed: Sequence[Closed], symbol: str, *, bridged: bool) -> tuple[Outcome, ...]:
    """The published bands' outcomes by horizon and time of issue, each with its shadow's score."""
    shadows = {(one.horizon, one.issued_at): one.score for one in closed if not one.row[LIVE]}
    published = sorted((one for one in closed if one.row[LIVE]), key=lambda one: (one.horizon, one.issued_at))
    return tuple(
        _outcome(one, symbol, shadows.get((one.horizon, one.issued_at)), bridged=bridged) for one in published
    )


def _outcome(one: Closed, symbol: str, shadow: ShadowScore | None, *, bridged: bool) -> Outcome:
    score = one.score
    told = score.model_dump(exclude={"bundle"}) if score is not None else {}
    return Outcome(
        status="resolved" if score is not None else "unresolved",
        symbol=symbol,
        horizon_bars=one.horizon,
        issued_at=datetime.fromtimestamp(one.issued_at, UTC),
        target_time=datetime.fromtimestamp(one.target_time, UTC),
        bundle=one.label,
        origin=ORIGINS[int(one.row[ORIGIN])],
        realised=one.realised,
        shadow=shadow if score is not None else None,
        reason=None if score is not None else ("bridged" if bridged else "missing"),
        **told,
    )
