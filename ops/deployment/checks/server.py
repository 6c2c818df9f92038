"""The server that holds the streams: version, persistence, memory, partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from contracts.connect import nodes_of
from contracts.topics import Topics
from ops.deployment.finding import Finding
from ops.settings import Settings

OLDEST = (7, 0)
MOST_PARTITIONS = 256
"""Partition counts looked for when a deployment's own is asked about."""
FULL = 0.7
MB = 1_000_000


def server_findings(client: Any, settings: Settings) -> Iterator[Finding]:
    """What the server says of itself. In a cluster every node is looked at."""
    for name, node in nodes_of(client).items():
        where = f" of {name}" if name else ""
        try:
            told = node.info()
        except NoPermissionError:
            refused = "this user may not ask INFO"
            yield Finding(f"server{where}", "unknown", refused, "run the check as user ops as well")
            continue
        except RedisError as error:
            if not name:
                raise
            told_by = f"{type(error).__name__}: {error}"
            yield Finding(f"server{where}", "fail", told_by, "bring the node back")
            continue
        yield version(told, where)
        yield from persistence(_config(node), told, where)
        yield memory(told, where)
    yield partitions(client, settings)


def version(told: Mapping[str, Any], where: str = "") -> Finding:
    """Redis 7.0 or newer, or any Valkey; what is known to be bad is said."""
    name, found = f"server version{where}", str(told["redis_version"])
    if "valkey_version" in told:
        return Finding(name, "pass", f"valkey {told['valkey_version']}")
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        return Finding(name, "fail", f"redis {found}", "use Redis 7.0 or newer, or Valkey 8 or newer")
    if found.startswith("7.0."):
        return Finding(
            name,
            "warn",
            f"redis {found} keeps half a transaction in its log after a crash",
            "run `redis-check-aof --fix` before each restart after a crash, or use Valkey 8 or newer",
        )
    return Finding(name, "pass", f"redis {found}")


def persistence(
    config: Mapping[str, str] | None, told: Mapping[str, Any], where: str = ""
) -> Iterator[Finding]:
    """Append-only file on and flushed; nothing ever evicted. Without CONFIG, INFO tells a part of it."""
    if config is None:
        on = int(told.get("aof_enabled", 0)) == 1
        policy = str(told.get("maxmemory_policy", "unknown"))
        fsync = None
    else:
        on, fsync = config.get("appendonly") == "yes", config.get("appendfsync")
        policy = config.get("maxmemory-policy", "unknown")
    name = f"persistence{where}"
    if not on:
        yield Finding(name, "fail", "appendonly no: a restart forgets every bar", "CONFIG SET appendonly yes")
    elif fsync == "no":
        yield Finding(name, "fail", "appendfsync no", "CONFIG SET appendfsync everysec, or always")
    elif told.get("aof_last_write_status", "ok") != "ok":
        yield Finding(name, "fail", "the last write of the log failed", "look at the server's disk")
    elif fsync is None:
        yield Finding(
            name, "warn", "appendonly yes; this user may not read appendfsync", "see that it is everysec"
        )
    else:
        brief = "a power cut, or a kill while the disk is busy, may lose the last seconds"
        lost = brief if fsync == "everysec" else "nothing is lost"
        yield Finding(name, "pass", f"appendonly yes, appendfsync {fsync}: {lost}")
    if policy == "noeviction":
        yield Finding(f"eviction{where}", "pass", "maxmemory-policy noeviction")
    else:
        yield Finding(
            f"eviction{where}",
            "fail",
            f"maxmemory-policy {policy}: a full server would drop state",
            "CONFIG SET maxmemory-policy noeviction",
        )


def memory(told: Mapping[str, Any], where: str = "") -> Finding:
    """What is used of what there may be."""
    used = int(told.get("used_memory", 0))
    most = int(told.get("maxmemory", 0)) or int(told.get("total_system_memory", 0))
    kind = "maxmemory" if int(told.get("maxmemory", 0)) else "the machine's"
    name = f"memory{where}"
    if not most:
        return Finding(name, "unknown", f"{used / MB:.0f} MB used; the server tells no limit")
    line = f"{used / MB:.0f} MB used of {most / MB:.0f} MB ({kind})"
    if used > FULL * most:
        return Finding(
            name, "warn" if used < most else "fail", line, "give it more, or lower stream.output_maxlen"
        )
    return Finding(name, "pass", line)


def partitions(client: Any, settings: Settings) -> Finding:
    """Whether the streams that are there were made for this number of partitions, which never changes."""
    count = settings.stream.partitions
    there = []
    if _is_there(client, Topics().cursor):
        there.append(1)
    split = [p for p in range(MOST_PARTITIONS) if _is_there(client, Topics(p, MOST_PARTITIONS).cursor)]
    told = f"stream.partitions = {count}"
    if (split and max(split) >= count) or (split and count == 1) or (there and count > 1):
        found = (
            f"cursors of partitions {', '.join(map(str, split))}" if split else "the cursor of one partition"
        )
        return Finding(
            "partitions",
            "fail",
            f"{told}, the server has {found}",
            "set stream.partitions to what the deployment was made with; it never changes",
        )
    if not there and not split:
        return Finding("partitions", "pass", f"{told}; the server has none yet")
    return Finding("partitions", "pass", f"{told}, as on the server")


def _is_there(client: Any, key: str) -> bool:
    try:
        return bool(client.exists(key))
    except NoPermissionError:  # a role sees the keys of its own deployment alone
        return False


def _config(client: Any) -> Mapping[str, str] | None:
    try:
        found = client.config_get("append*", "maxmemory-policy")
    except ResponseError:  # no permission is one
        return None
    return {str(_text(k)): str(_text(v)) for k, v in found.items()}


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
