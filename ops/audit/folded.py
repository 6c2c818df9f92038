"""The folded state as kept and as recomputed, side by side: which bar, average, feature or open band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.features import RAW_ROWS
from contracts.model.grid import HORIZONS, iso
from contracts.model.snapshot import SnapshotError, load_leader, load_symbol
from contracts.model.spec import BASE_NAMES, CONTEXT_FEATURES
from ops.audit.differences import ABSENT, SHOWN, Compared, Difference, flat
from worker.book import WIDTH
from worker.book_snapshot import load_book
from worker.store import BOOK_PREFIX, LEADER_PREFIX

BAR_COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "bridged", "extreme")
HEAD = ("close_time", "ref_price", "volatility_ratio", "sigma", "live", "origin")
BAND_COLUMNS = (*HEAD, *(f"raw[{n}]" for n in range(5)), *(f"issued[{n}]" for n in range(5)))
assert len(BAR_COLUMNS) == RAW_ROWS
assert len(BAND_COLUMNS) == WIDTH

Leaves = dict[str, Any]


def compare_state(key: str, served: Mapping[str, bytes], told: Mapping[str, bytes]) -> Compared:
    """The state hash as kept against what was folded again, field by field."""
    differing = [name for name in sorted({*served, *told}) if served.get(name) != told.get(name)]
    differences: list[Difference] = []
    for name in differing:
        differences += _told(key, name, served.get(name), told.get(name))
    equal = len({*served, *told}) - len(differing)
    return Compared(key, len(served), len(told), equal, 0, "", len(differing), tuple(differences))


def _told(key: str, name: str, served: bytes | None, told: bytes | None) -> list[Difference]:
    if served is None or told is None:
        here, there = (ABSENT, "a snapshot") if served is None else ("a snapshot", ABSENT)
        return [Difference(key, "", name, "field", here, there)]
    try:
        found, expected = leaves_of(name, served), leaves_of(name, told)
    except (SnapshotError, ValueError, KeyError) as error:
        return [Difference(key, "", name, "snapshot", f"unreadable: {error}", f"{len(told)} bytes")]
    where = [leaf for leaf in dict.fromkeys((*expected, *found)) if found.get(leaf) != expected.get(leaf)]
    if not where:
        return [Difference(key, "", name, "bytes", f"{len(served)} bytes", f"{len(told)} other bytes")]
    return [
        Difference(key, "", name, leaf, _value(found, leaf), _value(expected, leaf)) for leaf in where[:SHOWN]
    ]


def leaves_of(name: str, blob: bytes) -> Leaves:
    """Every number of one state field under a name a person can read.

    Raises:
        SnapshotError: the bytes are no snapshot.
    """
    if name.startswith(LEADER_PREFIX):
        return dict(_leader(blob))
    if name.startswith(BOOK_PREFIX):
        return dict(_book(blob))
    if name.startswith("_"):
        return {"text": blob.decode("utf-8", "backslashreplace")}
    return dict(_symbol(blob))


def _symbol(blob: bytes) -> Iterator[tuple[str, Any]]:
    features = load_symbol(blob).features
    for bar in features.matrix[:RAW_ROWS, : min(features.count, features.matrix.shape[1])].T.tolist():
        for column, value in zip(BAR_COLUMNS, bar, strict=True):
            yield f"bar {iso(int(bar[0]))} {column}", value
    yield "bars folded", features.count
    yield "previous close", features.prev_close
    yield from flat({"scale sums": list(features.scale.sums), "scale weights": list(features.scale.weights)})
    if (row := features.row()) is not None:
        yield "sigma", row.sigma
        for feature, value in zip(BASE_NAMES, row.values.tolist(), strict=True):
            yield f"feature {feature}", value


def _leader(blob: bytes) -> Iterator[tuple[str, Any]]:
    track = load_leader(blob)
    for at, bridged, row in zip(track.open_times.tolist(), track.bridged, track.rows.tolist(), strict=True):
        yield f"row {iso(at)} bridged", bool(bridged)
        for feature, value in zip(CONTEXT_FEATURES, row, strict=True):
            yield f"row {iso(at)} {feature.name}", value
    yield from flat({"log sigma": track.log_sigmas.tolist()})


def _book(blob: bytes) -> Iterator[tuple[str, Any]]:
    book = load_book(blob)
    yield from flat(book.to_json())
    for horizon in HORIZONS:
        rows: NDArray[np.float64] = book.open[horizon]
        for row in rows.tolist():
            for column, value in zip(BAND_COLUMNS, row, strict=True):
                yield f"open T{horizon} band of {iso(int(row[0]))} {column}", value


def _value(leaves: Leaves, leaf: str) -> str:
    return repr(leaves[leaf]) if leaf in leaves else ABSENT
