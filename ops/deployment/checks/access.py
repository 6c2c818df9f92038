"""Whether the configured user may do what its role needs, without doing any of it.

Each command is queued in a transaction that is then discarded: the server checks the right when it queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, RELEASES, Topics
from ops.deployment.finding import Finding
from ops.release.history import PENDING
from ops.settings import Settings

Role = Literal["worker", "ops"]
PROBE = "BANDS-CHECK"
"""A symbol no market has; nothing is ever written under it."""
EVAL = ("EVAL", "return 1", "1")
RELEASE = (
    ("GET", PENDING),
    ("SET", PENDING, "x", "NX"),
    ("DEL", PENDING),
    ("EVAL", "return 1", "2", PENDING, RELEASES),
    ("XADD", RELEASES, "*", "x", "x"),
    ("XREVRANGE", RELEASES, "+", "-", "COUNT", "1"),
)


def access_findings(client: Any, settings: Settings, role: Role) -> Iterator[Finding]:
    """One finding for each partition, with the commands that are refused."""
    user = whoami(client)
    count = settings.stream.partitions
    for partition in range(count):
        topics = Topics(partition, count)
        refused = denied(client, needs(topics, role), topics.cursor)
        name = "access" + (f" to partition {partition}" if count > 1 else "")
        yield _told(name, user, role, needs(topics, role), refused)
    if role == "ops":
        yield _told("access to releases", user, role, RELEASE, denied(client, RELEASE, RELEASES))


def _told(
    name: str, user: str, role: Role, asked: Sequence[tuple[str, ...]], refused: Sequence[str]
) -> Finding:
    told = f"user {user} as {role}: "
    if refused:
        advice = "give the user the role's rights, `bands acl`"
        return Finding(name, "fail", told + f"refused {', '.join(refused)}", advice)
    return Finding(name, "pass", told + f"all {len(asked)} commands are allowed")


def whoami(client: Any) -> str:
    """The user's name; `default` where the server is not told to say."""
    try:
        name = client.execute_command("ACL WHOAMI")
    except (NoPermissionError, ResponseError):
        return "unknown"
    return name.decode() if isinstance(name, bytes) else str(name)


def needs(topics: Topics, role: Role) -> list[tuple[str, ...]]:
    """The commands of a role, with keys of one partition."""
    if role == "ops":
        return [
            ("GET", topics.lease),
            ("HGETALL", topics.cursor),
            ("HGETALL", topics.state),
            ("HGETALL", topics.latest(PROBE)),
            ("XREVRANGE", topics.dead, "+", "-", "COUNT", "1"),
            ("XINFO", "STREAM", topics.bars),
            *(("XREVRANGE", topics.bands(h), "+", "-", "COUNT", "1") for h in HORIZONS),
        ]
    written = (
        *(name(h) for h in HORIZONS for name in (topics.bands, topics.outcomes, topics.shadow)),
        topics.dead,
        topics.drift,
        topics.retrain,
        topics.swaps,
    )
    return [
        (*EVAL, topics.lease),
        ("GET", topics.lease),
        ("SET", topics.lease, "x", "PX", "1"),
        ("INCR", topics.epoch),
        ("PEXPIRE", topics.lease, "1"),
        ("DEL", topics.lease),
        ("XGROUP", "CREATE", topics.bars, GROUP, "0"),
        ("XREADGROUP", "GROUP", GROUP, topics.consumer, "COUNT", "1", "STREAMS", topics.bars, ">"),
        ("XPENDING", topics.bars, GROUP),
        ("XACK", topics.bars, GROUP, "0-1"),
        ("XCLAIM", topics.bars, GROUP, topics.consumer, "0", "0-1"),
        ("XINFO", "GROUPS", topics.bars),
        ("XRANGE", topics.bars, "-", "+", "COUNT", "1"),
        ("XTRIM", topics.bars, "MINID", "0"),
        ("HGETALL", topics.cursor),
        ("HSET", topics.cursor, "x", "x"),
        ("HGETALL", topics.state),
        ("HSET", topics.state, "x", "x"),
        ("HDEL", topics.state, "x"),
        ("HSET", topics.latest(PROBE), "x", "x"),
        *(("XADD", name, "*", "x", "x") for name in written),
    ]


def denied(client: Any, commands: Sequence[tuple[str, ...]], key: str) -> list[str]:
    """Those of `commands` that the server would refuse the client's user; nothing is carried out.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    pool = _pool(client, key)
    connection = pool.get_connection()
    refused = []
    try:
        connection.send_command("MULTI")
        connection.read_response()
        for words in commands:
            connection.send_command(*words)
            try:
                connection.read_response()
            except NoPermissionError:
                refused.append(f"{words[0]} {_key(words)}")
            except ResponseError as error:
                refused.append(f"{words[0]} ({error})")
        connection.send_command("DISCARD")
        connection.read_response()
    except RedisError:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    return list(dict.fromkeys(refused))


def _pool(client: Any, key: str) -> Any:
    if hasattr(client, "get_node_from_key"):
        return client.get_redis_connection(client.get_node_from_key(key)).connection_pool
    return client.connection_pool


def _key(words: tuple[str, ...]) -> str:
    at = {"EVAL": 3, "XREADGROUP": -2, "XINFO": 2, "XGROUP": 2}.get(words[0], 1)
    return words[at]
