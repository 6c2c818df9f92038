"""The shelf of books: which of them the state goes on keeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from worker.book import Book
from worker.lineup import Lineup
from worker.step import BookKey, Step


def filed(step: Step, lineup: Lineup, books: Mapping[BookKey, Book], symbol: str) -> Step:
    """With `books` kept; of those no bundle in force writes in, only open ones and the newest stay."""
    if not books:
        return step
    kept = {**step.state.books, **books}
    serving = {(one.sha256, symbol) for one in lineup.bundles}
    retired = [key for key in kept if key[1] == symbol and key not in serving]
    newest = max(retired, key=lambda key: (kept[key].last_issued, key), default=None)
    gone = {key for key in retired if key != newest and kept[key].is_settled}
    left = MappingProxyType({key: book for key, book in kept.items() if key not in gone})
    return replace(step, state=replace(step.state, books=left), books=step.books | frozenset(books) | gone)
