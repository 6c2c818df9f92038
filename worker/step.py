"""What the engine folds and what one step of it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from contracts.model.context import LeaderTrack
from contracts.model.intake import SymbolFold
from worker.book import Book

BookKey = tuple[str, str]
"""The bundle's sha256 and the symbol."""


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class State:
    """Folded state of one partition: folds by symbol, recent rows by leader, books by bundle and symbol."""

    symbols: Mapping[str, SymbolFold] = field(default_factory=_nothing)
    leaders: Mapping[str, LeaderTrack] = field(default_factory=_nothing)
    books: Mapping[BookKey, Book] = field(default_factory=_nothing)
    asked: Mapping[str, int] = field(default_factory=_nothing)
    """When each bundle, by sha256, last asked for retraining: epoch seconds of the bar's close."""

    def books_of(self, symbol: str) -> dict[BookKey, Book]:
        """The books of one symbol."""
        return {key: book for key, book in self.books.items() if key[1] == symbol}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry to append: the stream's full name and the JSON payload."""

    stream: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """What one arrival, or a run of them, changes and says.

    `touched` names the symbols whose fold is new, `leaders` those whose rows are, `books` what was written in
    or closed; `latest` maps (symbol, horizon) to its newest record.
    """

    state: State
    events: tuple[Event, ...] = ()
    latest: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    books: frozenset[BookKey] = frozenset()
    leaders: frozenset[str] = frozenset()
    asked: bool = False
    failures: tuple[str, ...] = ()
    """What went wrong inside the engine, entry by entry: bugs, dead-lettered so that they block nothing."""
