"""What the page keeps of each message: a few numbers in a table per symbol and horizon.

Five years of 20 symbols are 1.75 million bands and outcomes; as messages they would fill gigabytes, as rows
they take some 40 bytes each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[Any]
"""A structured array, one row per moment, in order of its first field."""

BAR = np.dtype([("at", "i8"), ("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8")])
"""`at` is the close time in epoch seconds, so that a bar stands where its band was issued."""
BAND = np.dtype(
    [
        ("at", "i8"),
        ("ref", "f8"),
        ("q", "f4", (5,)),
        ("q_hat_90", "f4"),
        ("q_hat_50", "f4"),
        ("bundle", "i2"),
        ("reason", "i1"),
        ("degraded", "?"),
    ]
)
"""`q` are log returns, NaN without a band; `reason` counts into `cache.REASONS`, -1 with a band."""
OUTCOME = np.dtype(
    [
        ("at", "i8"),
        ("issued", "i8"),
        ("realised", "f4"),
        ("hit_90", "f4"),
        ("hit_50", "f4"),
        ("pinball", "f4"),
        ("pit", "f4"),
        ("winkler_90", "f4"),
        ("bundle", "i2"),
        ("rival", "i2"),
        ("rival_hit_90", "f4"),
        ("rival_hit_50", "f4"),
        ("rival_pinball", "f4"),
    ]
)
"""`at` is the target time; scores are NaN where the outcome is unresolved, `rival` is -1 without a shadow."""

LEAST_ROOM = 256


class Rows:
    """A growing table without repetitions, in order of `at`; the newest version of a moment wins.

    A table once handed out never changes: rows are appended behind it or the whole is replaced.

    >>> rows = Rows(BAR)
    >>> rows.add([(8, 1, 1, 1, 1), (4, 1, 1, 1, 1)])
    >>> rows.add([(8, 2, 2, 2, 2)])
    >>> rows.table["at"].tolist(), rows.table["close"].tolist()
    ([4, 8], [1.0, 2.0])
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._kept: Table = np.empty(LEAST_ROOM, kind)
        self._count = 0

    @property
    def table(self) -> Table:
        """Every row so far, in order of `at`."""
        return self._kept[: self._count]

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take rows in any order."""
        if rows:
            self.merge(np.array(list(rows), dtype=self._kind))

    def merge(self, fresh: Table) -> None:
        """Take a table in any order."""
        at = fresh["at"]
        newest = self._kept["at"][self._count - 1] if self._count else np.iinfo(np.int64).min
        if (np.diff(at, prepend=newest) <= 0).any() if self._count else (np.diff(at) <= 0).any():
            both = np.concatenate([self.table, fresh])
            order = np.argsort(both["at"], kind="stable")
            both = both[order]
            last = np.append(np.diff(both["at"]) > 0, True)
            self._kept, self._count = both[last], int(last.sum())
            return
        room = self._count + len(fresh)
        if room > len(self._kept):
            larger = np.empty(max(room, 2 * len(self._kept)), self._kind)
            larger[: self._count] = self.table
            self._kept = larger
        self._kept[self._count : room] = fresh
        self._count = room

    def drop_before(self, at: int) -> None:
        """Forget what is older than `at`, epoch seconds."""
        if first := int(np.searchsorted(self.table["at"], at)):
            self._kept = self.table[first:].copy()
            self._count = len(self._kept)


def between(table: Table, start: float, stop: float) -> Table:
    """The rows with `start` <= at <= `stop`, epoch seconds."""
    low, high = np.searchsorted(table["at"], [np.ceil(start), np.floor(stop) + 1])
    return table[int(low) : int(high)]


def thinned(table: Table, most: int) -> Table:
    """At most `most` rows, evenly spaced and the newest among them."""
    if len(table) <= most:
        return table
    step = -(-len(table) // most)
    return table[(len(table) - 1) % step :: step]
