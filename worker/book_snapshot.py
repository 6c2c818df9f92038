"""A book as bytes: a JSON header and raw little-endian float64, never pickle."""

from __future__ import annotations

import numpy as np

from contracts.model.calibrator import CalibratorError
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.snapshot import SnapshotError, pack, unpack
from worker.book import CLOSE_TIME, ISSUED, LIVE, ORIGIN, ORIGINS, RAW, REF_PRICE, SIGMA, WIDTH, Array, Book

BOOK_SCHEMA = "book/1"


def dump_book(book: Book) -> bytes:
    """A book as bytes, about 27 KB with every horizon's bands open."""
    header = {
        "schema": BOOK_SCHEMA,
        "open": [len(book.open[horizon]) for horizon in HORIZONS],
        **book.to_json(),
    }
    return pack(header, np.concatenate([book.open[horizon].ravel() for horizon in HORIZONS]))


def load_book(blob: bytes) -> Book:
    """The book that `dump_book` wrote.

    Raises:
        SnapshotError: the bytes are cut, altered beyond reading, or of another schema.
    """
    header, numbers = unpack(blob, BOOK_SCHEMA)
    try:
        counts = [int(count) for count in header["open"]]
        if len(counts) != len(HORIZONS) or min(counts) < 0 or sum(counts) * WIDTH != numbers.size:
            raise SnapshotError(f"expected the open bands of {BOOK_SCHEMA}, found counts {counts}")
        parts = np.split(numbers.reshape(-1, WIDTH), np.cumsum(counts)[:-1])
        for horizon, rows in zip(HORIZONS, parts, strict=True):
            _check(horizon, rows)
        return Book.from_json(header, dict(zip(HORIZONS, parts, strict=True)))
    except (CalibratorError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise SnapshotError(f"expected a book of {BOOK_SCHEMA}, found: {error}") from error


def _check(horizon: int, rows: Array) -> None:
    """Bands in the order of their issue, on the grid, with prices, scales and quantiles that can be."""
    times = rows[:, CLOSE_TIME]
    if len(rows) > horizon or (np.diff(times) <= 0).any() or (times % BAR_SECONDS != 0).any():
        raise SnapshotError(f"expected up to {horizon} bands of T{horizon} in order, found {times.tolist()}")
    flags = np.isin(rows[:, LIVE], (0.0, 1.0)) & np.isin(rows[:, ORIGIN], range(len(ORIGINS)))
    ordered = (np.diff(rows[:, RAW]) >= 0).all(axis=1) & (np.diff(rows[:, ISSUED]) >= 0).all(axis=1)
    if not (flags & ordered & (rows[:, REF_PRICE] > 0) & (rows[:, SIGMA] > 0)).all():
        raise SnapshotError(f"expected bands of T{horizon} as they were issued, found others")
