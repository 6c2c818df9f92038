"""A partition's state in Redis: one field per symbol, leader and book, and the cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from redis.asyncio import Redis

from contracts.model.snapshot import SnapshotError, dump_leader, dump_symbol, load_leader, load_symbol
from contracts.topics import Topics
from worker.book_snapshot import dump_book, load_book
from worker.step import BookKey, State, Step

LEADER_PREFIX = "_leader:"
BOOK_PREFIX = "_book:"
"""State fields of leaders' rows and of books; no symbol begins with an underscore."""

ASKED_FIELD = "_asked"

GONE = b""
"""Written to a state field, it removes the field."""


class StateError(RuntimeError):
    """Stored state that this worker can not read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was in effect when the partition was last committed.

    `cursor` is the last entry in effect (empty for none); `swap` the newest record of a lineup swap
    (empty for none), as `Lineup.record` wrote it.
    """

    state: State
    cursor: str
    swap: str


LOAD = """#!lua flags=no-writes
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
"""


async def load(redis: Redis, topics: Topics) -> Loaded:
    """Read cursor and state at one moment.

    Raises:
        StateError: a field is not a snapshot of this version.
    """
    read: Any = redis.register_script(LOAD)
    cursor, fields = (_pairs(flat) for flat in await read(keys=[topics.cursor, topics.state], args=[]))
    try:
        state = state_of({name.decode(): blob for name, blob in fields.items()})
    except SnapshotError as error:
        raise StateError(
            f"expected snapshots of this version in {topics.state}, found: {error}; serve with the release "
            f"that wrote them, or delete {topics.state} and {topics.cursor} to start from the bundle's states"
        ) from error
    return Loaded(state, cursor.get(b"entry", b"").decode(), cursor.get(b"bundle", b"").decode())


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def state_of(fields: Mapping[str, bytes]) -> State:
    """The state that `fields_of` wrote.

    Raises:
        SnapshotError: a field is not a snapshot of this version.
    """
    symbols, leaders, books, asked = {}, {}, {}, {}
    for name, blob in fields.items():
        if name == ASKED_FIELD:
            asked = _asked_of(blob)
        elif name.startswith(LEADER_PREFIX):
            leaders[name.removeprefix(LEADER_PREFIX)] = load_leader(blob)
        elif name.startswith(BOOK_PREFIX):
            books[_key_of(name)] = load_book(blob)
        else:
            symbols[name] = load_symbol(blob)
    return State(
        MappingProxyType(symbols), MappingProxyType(leaders), MappingProxyType(books), MappingProxyType(asked)
    )


def fields_of(step: Step) -> dict[str, bytes]:
    """The state fields one step has to write; `GONE` removes one."""
    state = step.state
    fields = {symbol: dump_symbol(state.symbols[symbol]) for symbol in sorted(step.touched)}
    for leader in sorted(step.leaders):
        fields[f"{LEADER_PREFIX}{leader}"] = dump_leader(state.leaders[leader])
    for key in sorted(step.books):
        book = state.books.get(key)
        fields[_book_field(key)] = GONE if book is None else dump_book(book)
    if step.asked:
        fields[ASKED_FIELD] = json.dumps(dict(state.asked), sort_keys=True).encode()
    return fields


def _asked_of(blob: bytes) -> dict[str, int]:
    try:
        return {str(sha256): int(at) for sha256, at in json.loads(blob).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"expected when bundles asked for retraining, found {blob[:80]!r}") from error


def _book_field(key: BookKey) -> str:
    sha256, symbol = key
    return f"{BOOK_PREFIX}{sha256}:{symbol}"


def _key_of(field: str) -> BookKey:
    sha256, _, symbol = field.removeprefix(BOOK_PREFIX).partition(":")
    return sha256, symbol
