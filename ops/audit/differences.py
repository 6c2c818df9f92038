"""What was served and what is recomputed, side by side: whole streams, byte for byte."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contracts.topics import Topics
from ops.audit.served import Kept

SHOWN = 20
"""Differences of one stream that are kept in words; the others are counted."""

ABSENT = "nothing"

Record = tuple[str, bytes]
"""An entry id, and the payload."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not what it should be: in `where`, at `entry`, about `what`, in `field`."""

    where: str
    entry: str
    what: str
    field: str
    served: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One stream or hash: how many records were served, how many of them agree, and those that do not.

    `from_` names what the first record compared is about, `trimmed` how many older ones the server dropped.
    """

    where: str
    served: int
    recomputed: int
    equal: int
    trimmed: int = 0
    from_: str = ""
    differing: int = 0
    differences: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        """True when nothing differs."""
        return not self.differing

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        told = asdict(self)
        return {("from" if name == "from_" else name): value for name, value in told.items()}


def compare_stream(name: str, kept: Kept, told: Sequence[Record]) -> Compared:
    """A stream as served against the records that are told again, each with the bars entry behind it."""
    served, whole = list(kept.entries), len(told)
    keys, others = _keys(served), _keys(told)
    if not kept.is_whole:
        start = _begin(keys, others)
        told, others = told[start:], others[start:]
    first = _words(keys[0][0]) if keys else ""
    trimmed = kept.added - len(served)
    if [p for _, p in served] == [p for _, p in told]:
        return Compared(name, len(served), whole, len(served), trimmed, first)
    expected = dict(zip(others, told, strict=True))
    found = dict(zip(keys, served, strict=True))
    equal, differing, differences = 0, 0, list[Difference]()
    for key in sorted({*found, *expected}, key=_position(found, expected)):
        if key in found and key in expected and found[key][1] == expected[key][1]:
            equal += 1
            continue
        differing += 1
        if len(differences) < SHOWN:
            differences += _told(name, key, found.get(key), expected.get(key))
    if not differing:
        differing = 1
        differences.append(Difference(name, keys[0][0][1], "the stream", "order", "another", "as recomputed"))
    return Compared(name, len(served), whole, equal, trimmed, first, differing, tuple(differences[:SHOWN]))


def compare_latest(
    topics: Topics, served: Mapping[tuple[str, int], bytes], told: Mapping[tuple[str, int], bytes]
) -> Compared:
    """The hashes of newest records."""
    differences: list[Difference] = []
    for symbol, horizon in sorted({*served, *told}):
        pair = served.get((symbol, horizon)), told.get((symbol, horizon))
        if pair[0] != pair[1]:
            key = ((symbol, "newest"), 0)
            where = f"{topics.latest(symbol)} T{horizon}"
            a, b = (("", one) if one is not None else None for one in pair)
            differences += _told(where, key, a, b)
    different = len({one.where for one in differences})
    name = topics.latest("*")
    return Compared(
        name, len(served), len(told), len(served) - different, 0, "", different, tuple(differences[:SHOWN])
    )


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON document with its dotted path.

    >>> dict(flat({"a": {"b": 1}, "c": [2, 3]}))
    {'a.b': 1, 'c[0]': 2, 'c[1]': 3}
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flat(inner, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flat(inner, f"{prefix}[{number}]")
    else:
        yield prefix, value


Key = tuple[tuple[str, ...], int]


def _keys(records: Sequence[Record]) -> list[Key]:
    """What each record is about, and the how manieth of that it is."""
    seen: Counter[tuple[str, ...]] = Counter()
    keys = []
    for entry, payload in records:
        about = _about(entry, payload)
        keys.append((about, seen[about]))
        seen[about] += 1
    return keys


def _about(entry: str, payload: bytes) -> tuple[str, ...]:
    try:
        told = json.loads(payload)
        match str(told["schema"]).partition("/")[0]:
            case "band":
                return told["symbol"], told["open_time"]
            case "outcome":
                return told["symbol"], told["issued_at"]
            case "dead":
                return "entry", told["entry"]
            case "drift":
                return told["symbol"], told["at"], told["channel"], str(told.get("horizon_bars", ""))
            case "retrain":
                return "request", told["id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return "unreadable", entry


def _words(about: tuple[str, ...]) -> str:
    return " ".join(part for part in about if part)


def _begin(keys: Sequence[Key], others: Sequence[Key]) -> int:
    """Where among the recomputed records the served ones begin."""
    at = {key: number for number, key in enumerate(others)}
    for number, key in enumerate(keys):
        if key in at:
            return max(0, at[key] - number)
    return len(others)


def _position(found: Mapping[Key, Record], expected: Mapping[Key, Record]) -> Any:
    first = {key: number for number, key in enumerate(expected)}
    second = {key: number for number, key in enumerate(found)}
    return lambda key: (first.get(key, second.get(key, 0)), second.get(key, -1))


def _told(name: str, key: Key, served: Record | None, told: Record | None) -> Iterator[Difference]:
    about = _words(key[0])
    if served is None or told is None:
        have, lack = ("a record", ABSENT) if told is None else (ABSENT, "a record")
        source = served[0] if served is not None else ""
        yield Difference(name, source, about, "record", have, lack)
        return
    try:
        pairs = [dict(flat(json.loads(payload))) for _, payload in (served, told)]
    except ValueError:
        yield Difference(name, served[0], about, "bytes", _short(served[1]), _short(told[1]))
        return
    differing = [f for f in dict.fromkeys((*pairs[0], *pairs[1])) if pairs[0].get(f) != pairs[1].get(f)]
    if not differing:
        yield Difference(name, served[0], about, "bytes", _short(served[1]), _short(told[1]))
    for field in differing:
        a, b = (repr(one[field]) if field in one else ABSENT for one in pairs)
        yield Difference(name, served[0], about, field, a, b)


def _short(payload: bytes) -> str:
    return repr(payload if len(payload) <= 60 else payload[:60] + b"...")
