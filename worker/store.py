"""A partition's state in Redis: one field per symbol, the leader's track, the cursor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType

from redis.asyncio import Redis

from contracts.model.bundle import Bundle
from contracts.model.snapshot import SnapshotError, dump_leader, dump_symbol, load_leader, load_symbol
from contracts.topics import Topics
from worker.engine import State, Step

LEADER_FIELD = "_leader"
"""State field of the leader's track; no symbol begins with an underscore."""


class StateError(RuntimeError):
    """Stored state that this worker can not read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was in effect when the partition was last committed.

    `cursor` is the last entry in effect (empty for none); `swap` the newest record of a bundle swap
    (empty for none), as `swap_record` wrote it.
    """

    state: State
    cursor: str
    swap: str


async def load(redis: Redis, topics: Topics) -> Loaded:
    """Read cursor and state in one transaction.

    Raises:
        StateError: a field is not a snapshot of this version.
    """
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hgetall(topics.cursor)
        pipe.hgetall(topics.state)
        cursor, fields = await pipe.execute()
    track_blob = fields.pop(LEADER_FIELD.encode(), None)
    try:
        symbols = {name.decode(): load_symbol(blob) for name, blob in fields.items()}
        leader = State().leader if track_blob is None else load_leader(track_blob)
    except SnapshotError as error:
        raise StateError(
            f"expected snapshots of this version in {topics.state}, found: {error}; serve with the release "
            f"that wrote them, or delete {topics.state} and {topics.cursor} to start from the bundle's states"
        ) from error
    state = State(MappingProxyType(symbols), leader)
    return Loaded(state, cursor.get(b"entry", b"").decode(), cursor.get(b"bundle", b"").decode())


def fields_of(step: Step) -> dict[str, bytes]:
    """The state fields one step has to write."""
    fields = {symbol: dump_symbol(step.state.symbols[symbol]) for symbol in sorted(step.touched)}
    if step.leader_touched:
        fields[LEADER_FIELD] = dump_leader(step.state.leader)
    return fields


def swap_record(bundle: Bundle, after: str) -> str:
    """The record of a bundle swap: the bundle applies to every entry after `after`."""
    told = {"label": bundle.label, "sha256": bundle.sha256, "after": after, "leader": bundle.spec.leader}
    return json.dumps(told, sort_keys=True)


def is_of(swap: str, bundle: Bundle) -> bool:
    """Whether `swap`, a record or nothing, puts `bundle` in force."""
    return bool(swap) and json.loads(swap).get("sha256") == bundle.sha256
