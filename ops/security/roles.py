"""Who may do what on the server: one table, from which ACL file, checks and documentation are made.

A role is a list of grants, which become ACL selectors: these commands on those keys, and on no others.
Without them `DEL`, meant for a lease, would also delete the bars that the same user may append to. Commands
are the measured minimum: what each role's processes really send.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.topics import (
    RELEASES,
    RETRAIN_ACCEPTED,
    RETRAIN_ENDED,
    RETRAIN_EPOCH,
    RETRAIN_LEASE,
    RETRAIN_RUN,
    RETRAIN_SCHEDULED,
    RETRAIN_STATUS,
    Topics,
)

ADMIN = "admin"
EVERY_PARTITION = "*"
PENDING = "{releases}.pending"
FEED, NOTIFY, HPO = "feed.*", "notify.*", "bands:hpo*"

CONNECT = ("ping", "select", "client|setname", "client|id", "acl|whoami")
"""What any client sends to be connected; AUTH and HELLO need no right."""
INTRODUCE = ("client|setinfo",)
"""Clients tell their name and version by it; Redis 7.0 does not know it, and refuses a file that names it."""
CLUSTER = (
    "cluster|slots", "cluster|shards", "cluster|nodes", "cluster|myid", "command", "asking", "readonly",
)  # fmt: skip
"""How a client finds a cluster's nodes."""
TRANSACTION = ("multi", "exec", "discard")
LOAD = ("script|load", "script|exists")
SCRIPT = ("eval", "evalsha")
LEASE = ("get", "set", "incr", "pexpire", "del")
HASH = ("hget", "hmget", "hgetall", "hset", "hdel")
KIND = ("type", "exists")
STREAM = ("xread", "xrange", "xrevrange", "xlen", "xinfo|stream")
READ = (*STREAM, "hget", "hmget", "hgetall", *KIND)
LOOK = (*READ, "get", "mget", "hkeys", "hlen", "xinfo|groups", "xinfo|consumers", "xpending")
"""What looking at a whole deployment takes beyond reading streams."""
CONSUME = ("xreadgroup", "xack", "xclaim", "xpending", "xgroup|create", "xinfo|groups", "xinfo|consumers")

_PLAIN = Topics()


@dataclass(frozen=True, slots=True)
class Grant:
    """These commands on these keys. A mode of `R` reads, `W` writes, `RW` does both.

    A script asks for both on every key it is given, whatever it does with them.
    """

    commands: tuple[str, ...]
    keys: tuple[str, ...]
    mode: str = "RW"

    @property
    def rule(self) -> str:
        """The ACL selector.

        >>> Grant(("xadd",), ("bars.4h",), "W").rule
        '(%W~bars.4h +xadd)'
        """
        keys = (f"~{key}" if self.mode == "RW" else f"%{self.mode}~{key}" for key in self.keys)
        return f"({' '.join((*keys, *(f'+{command}' for command in self.commands)))})"


@dataclass(frozen=True, slots=True)
class Role:
    """One user of the server: `commands` that concern no key, and grants of those that do."""

    name: str
    purpose: str
    commands: tuple[str, ...]
    grants: tuple[Grant, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """What stands in the ACL behind `on` and the password."""
        if self.name == ADMIN:
            return ("~*", "&*", "+@all")
        plain = (f"+{command}" for command in self.commands)
        return ("resetchannels", "-@all", *plain, *(grant.rule for grant in self.grants))


REPLICA = Role(
    "replica",
    "replicas: copy everything from their primary (`masteruser`, `masterauth`)",
    ("ping", "psync", "sync", "replconf"),
    (),
)
"""PSYNC, or SYNC on Valkey's second channel, hands over every key: whoever has this password reads all."""
PEOPLE = Role(ADMIN, "people, for what no role may: ACLs, configuration, repair", (), ())


def roles(partitions: int = 1, *, cluster: bool = False, redis70: bool = False) -> tuple[Role, ...]:
    """Every role of a deployment with this many partitions.

    With several there is a `worker-N` for each partition beside the `worker` of all of them; no role reaches
    a key of another partition count. `cluster` adds what a client needs to find a cluster's nodes;
    `redis70` leaves out what Redis 7.0 does not know.

    >>> [role.name for role in roles(2)][:4]
    ['feed', 'worker', 'worker-0', 'worker-1']
    """
    every = _Names(partitions, EVERY_PARTITION)
    workers = [_worker("worker", "all that every partition reads and says", every)]
    if partitions > 1:
        for number in range(partitions):
            told = f"all that partition {number} reads and says"
            workers.append(_worker(f"worker-{number}", told, _Names(partitions, str(number))))
    found = (
        _feed(every),
        *workers,
        _subscriber(every),
        _retrainer(every),
        *_people(every),
        _tuner(),
    )
    hello = (*CONNECT, *(() if redis70 else INTRODUCE), *(CLUSTER if cluster else ()))
    return (*(Role(r.name, r.purpose, (*hello, *r.commands), r.grants) for r in found), REPLICA, PEOPLE)


@dataclass(frozen=True, slots=True)
class _Names:
    """The keys' names as patterns: of one partition, or of all."""

    partitions: int
    partition: str

    def __call__(self, *names: str) -> tuple[str, ...]:
        suffix = "" if self.partitions == 1 else f".{{{self.partition}}}"
        return tuple(f"{name}{suffix}" for name in names)

    @property
    def bars(self) -> tuple[str, ...]:
        return self(_PLAIN.bars)

    @property
    def requests(self) -> tuple[str, ...]:
        return self(_PLAIN.retrain)

    @property
    def public(self) -> tuple[str, ...]:
        """What trading systems read."""
        return (*self("bands.T*", "outcomes.T*"), *self.latest)

    @property
    def latest(self) -> tuple[str, ...]:
        return self(_PLAIN.latest("*"))

    @property
    def said(self) -> tuple[str, ...]:
        """Every stream a worker writes."""
        own = (_PLAIN.dead, _PLAIN.drift, _PLAIN.retrain, _PLAIN.swaps)
        return self("bands.T*", "outcomes.T*", "shadow.T*", *own)

    @property
    def lease(self) -> tuple[str, ...]:
        return self(_PLAIN.lease, _PLAIN.epoch)

    @property
    def kept(self) -> tuple[str, ...]:
        return (*self(_PLAIN.cursor, _PLAIN.state), *self.latest)


def _feed(names: _Names) -> Role:
    return Role(
        "feed",
        "`bands feed`: appends bars, and keeps its own position",
        ("time", *LOAD),
        (Grant(("xadd",), names.bars, "W"), Grant((*LEASE, *HASH, *SCRIPT, *KIND), (FEED,))),
    )


def _worker(name: str, purpose: str, names: _Names) -> Role:
    return Role(
        name,
        f"`bands worker`: {purpose}",
        ("time", *TRANSACTION, *LOAD),
        (
            Grant(SCRIPT, (*names.lease, *names.bars, *names.said, *names.kept)),
            Grant(LEASE, names.lease),
            Grant((*CONSUME, *STREAM, "xtrim", *KIND), names.bars),
            Grant(("xadd", *STREAM, *KIND), names.said),
            Grant((*HASH, *KIND), names.kept),
            Grant(("xread",), (RELEASES,), "R"),
        ),
    )


def _subscriber(names: _Names) -> Role:
    told = "trading systems: read bands and outcomes"
    return Role("subscriber", told, ("time",), (Grant(READ, names.public, "R"),))


def _retrainer(names: _Names) -> Role:
    single = (RETRAIN_LEASE, RETRAIN_EPOCH, RETRAIN_SCHEDULED, PENDING)
    hashes, streams = (RETRAIN_RUN, RETRAIN_ACCEPTED), (RETRAIN_STATUS, RELEASES)
    return Role(
        "retrainer",
        "`bands retrainer`: serves requests, reports, puts a challenger in shadow",
        ("time", *LOAD),
        (
            Grant(SCRIPT, (*names.requests, *single, *hashes, *streams, RETRAIN_ENDED)),
            Grant((*LEASE, *KIND), single),
            Grant((*HASH, "hincrby", "del", *KIND), hashes),
            Grant(("zadd", "zscore", "zremrangebyrank", *KIND), (RETRAIN_ENDED,)),
            Grant(("xadd", *STREAM, *KIND), streams),
            Grant((*CONSUME, "xadd", *STREAM, *KIND), names.requests),
            Grant(STREAM, names.bars, "R"),
        ),
    )


def _people(names: _Names) -> tuple[Role, ...]:
    retraining = (
        RETRAIN_STATUS, RETRAIN_LEASE, RETRAIN_EPOCH, RETRAIN_RUN, RETRAIN_ACCEPTED, RETRAIN_ENDED,
        RETRAIN_SCHEDULED,
    )  # fmt: skip
    releases = (RELEASES, PENDING)
    everything = (
        *names.bars, *names.said, *names.kept, *names.lease, *retraining, *releases, FEED, NOTIFY,
    )  # fmt: skip
    look = Grant(LOOK, everything, "R")
    alerts = (*names(_PLAIN.drift), *names.requests, RETRAIN_STATUS, RELEASES)
    return (
        Role(
            "ops",
            "people and jobs that release: status, shadow, promote, rollback, retrain, audit, deploy",
            ("time", "info", *TRANSACTION, *LOAD),
            (
                look,
                Grant(("xadd",), (*names.requests, RELEASES), "W"),
                Grant(SCRIPT, releases),
                Grant(("get", "set", "del"), (PENDING,)),
            ),
        ),
        Role(
            "dashboard",
            "`bands dashboard`: reads everything, changes nothing",
            ("time", "info", *TRANSACTION),
            (look,),
        ),
        Role(
            "notify",
            "`bands notify`: reads alerts, retrainings and releases, and keeps its own position",
            ("time", *LOAD),
            (Grant(READ, alerts, "R"), Grant((*LEASE, *HASH, *SCRIPT, *KIND), (NOTIFY,))),
        ),
    )


def _tuner() -> Role:
    commands = ("get", "mget", "set", "setnx", "incr", "incrby", "del", "exists", "eval")
    return Role("tuner", "`bands hpo` on a shared study", (), (Grant(commands, (HPO,)),))


def roles_table() -> str:
    """The roles as a Markdown table, for the documentation."""
    rows = ["| user | for | keys | mode | commands |", "| --- | --- | --- | --- | --- |"]
    for role in roles():
        if role.name == ADMIN:
            rows.append(f"| `{role.name}` | {role.purpose} | all | RW | all |")
            continue
        own = [command for command in role.commands if command not in (*CONNECT, *INTRODUCE)]
        first = f"`{role.name}` | {role.purpose}"
        for grant in role.grants:
            keys = " ".join(f"`{key}`" for key in grant.keys)
            rows.append(f"| {first} | {keys} | {grant.mode} | {_told(grant.commands)} |")
            first = " | "
        if own:
            rows.append(f"| {first} | none | | {_told(own)} |")
    return "\n".join(rows)


def _told(commands: tuple[str, ...] | list[str]) -> str:
    return " ".join(commands).replace("|", "\\|")


if __name__ == "__main__":
    import sys

    sys.stdout.write(roles_table() + "\n")
