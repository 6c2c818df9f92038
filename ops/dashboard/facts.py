"""What the server says of itself and of each partition."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ClusterError, RedisError, ResponseError

from contracts.connect import nodes_of
from contracts.topics import GROUP, Topics


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """`lag` and `pending` are None before a worker has created its group; `owner` without a lease."""

    partition: int
    owner: str | None
    lag: int | None
    pending: int | None
    bars: int
    dead: int


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`about` is None where the user may not ask: version, bytes in use and at most, seconds up, log kept.

    Of a cluster: of the nodes that answer, bytes those of the fullest, and the worst of the rest.
    """

    at: float = 0.0
    partitions: tuple[PartitionFacts, ...] = ()
    about: dict[str, Any] | None = field(default=None)


def look(client: Any, partitions: int) -> ServerFacts:
    """Ask for everything; each of it costs the server microseconds.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    told = tuple(_partition(client, Topics(n, partitions)) for n in range(partitions))
    return ServerFacts(time.time(), told, _about(client))


def _partition(client: Any, topics: Topics) -> PartitionFacts:
    owner = _ask(lambda: client.get(topics.lease))
    groups = _ask(lambda: client.xinfo_groups(topics.bars)) or []
    group: dict[str, Any] = next((g for g in groups if g["name"].decode() == GROUP), {})
    return PartitionFacts(
        topics.partition,
        owner.decode() if owner else None,
        group.get("lag"),
        group.get("pending"),
        _ask(lambda: client.xlen(topics.bars)) or 0,
        _ask(lambda: client.xlen(topics.dead)) or 0,
    )


def _ask(question: Callable[[], Any]) -> Any:
    """An answer; None where the key is absent, of another kind, or not ours to ask."""
    try:
        return question()
    except ClusterError:  # it answers nobody: some of these are ResponseErrors too
        raise
    except ResponseError:
        return None


def _about(client: Any) -> dict[str, Any] | None:
    nodes = []
    for node in nodes_of(client).values():
        with contextlib.suppress(RedisError):  # one that is down does not hide the others
            nodes.append(_one(node.info()))
    if not nodes:
        return None
    fullest = max(nodes, key=lambda one: one["used_bytes"] / (one["max_bytes"] or math.inf))
    return {
        **fullest,
        "up_s": min(one["up_s"] for one in nodes),
        "append_only": all(one["append_only"] for one in nodes),
        "nodes": len(nodes),
    }


def _one(told: dict[str, Any]) -> dict[str, Any]:
    version = told.get("valkey_version") or told.get("redis_version", "?")
    return {
        "version": f"{'Valkey' if 'valkey_version' in told else 'Redis'} {version}",
        "used_bytes": int(told.get("used_memory", 0)),
        "max_bytes": int(told.get("maxmemory", 0)),
        "up_s": int(told.get("uptime_in_seconds", 0)),
        "append_only": bool(told.get("aof_enabled", 0)),
        "nodes": 1,
    }
