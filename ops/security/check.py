"""Whether a server's users are the ones of the roles' table: no right more, none less, no default user."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from contracts.connect import nodes_of
from contracts.errors import UnavailableError
from ops.security.acl import DEFAULT, password_hash
from ops.security.roles import ADMIN, Role, roles
from ops.security.secrets import read_password

TOLD_REFUSALS = 5


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the users brought; of a cluster's, each line names its node."""

    nodes: int
    differences: tuple[str, ...]
    refused: tuple[str, ...]
    """What was refused lately: by whom, what, how often."""
    silent: tuple[str, ...] = ()
    """Nodes that did not answer, and so were not compared."""


def look(client: Any, partitions: int, *, cluster: bool, passwords: Path | None = None) -> Found:
    """Compare the users of every node with the roles: each node of a cluster keeps users of its own.

    Raises:
        UnavailableError: the user asking may not look; that takes `admin`.
    """
    told: list[str] = []
    refused: list[str] = []
    silent: list[str] = []
    nodes = nodes_of(client)
    members: set[str] = set()
    for name, node in nodes.items():
        where = f"{name}: " if name else ""
        try:
            table = roles(partitions, cluster=cluster, redis70=knows_no_setinfo(node))
            told += [where + line for line in differences(node, table, passwords)]
            refused += [where + line for line in refusals(node)]
            members |= _members(node) if name else set()
        except AuthenticationError as error:
            told.append(f"{where}expected the users of the roles, found: {error}")
        except RedisError as error:
            silent.append(f"{where}expected an answer, found {type(error).__name__}: {error}")
    told += [
        f"{address}: expected a node that can be compared, found one without slots, or a replica that never "
        f"synced; check it by itself, or CLUSTER FORGET it"
        for address in sorted(members - nodes.keys())
    ]
    return Found(len(nodes), tuple(told), tuple(refused), tuple(silent))


def _members(node: Any) -> set[str]:
    """Every address the node knows of its cluster, those that serve nothing too."""
    return {
        _text(address) for address in node.execute_command("CLUSTER NODES") if not address.startswith(":")
    }


def differences(client: Any, roles: Sequence[Role], passwords: Path | None = None) -> Iterator[str]:
    """Everything in which the users of `client`'s server are not `roles`, a sentence each.

    With `passwords`, the folder of their files, each is compared with what the server knows. For a moment
    there is a user `bands-acl-check-…`, off and without a password, to compare rights with.

    Raises:
        UnavailableError: the user asking may not look; that takes `admin`.
        redis.exceptions.RedisError: the server does not answer.
    """
    try:
        users = {_text(name) for name in client.acl_users()}
        default = client.acl_getuser(DEFAULT)
    except ResponseError as error:
        raise UnavailableError(
            f"expected a user who may read the ACL, found: {error}; connect as {ADMIN}"
        ) from error
    if default is not None and "on" in _words(default["flags"]):
        yield "expected the user default off, found it on: whoever reaches the port may act as it"
    for role in roles:
        if role.name not in users:
            yield f"expected the user {role.name}, found none: load the file, with `ACL LOAD`"
            continue
        yield from _of_one(client, client.acl_getuser(role.name), role, passwords)
    ours = {role.name for role in roles} | {DEFAULT}
    for name in sorted(users - ours):
        yield f"expected no user but the roles', found {name}: remove it if nobody needs it"


def knows_no_setinfo(client: Any) -> bool:
    """Whether the server is a Redis 7.0, for which `roles(redis70=True)` are the roles."""
    told = client.info("server")
    return "valkey_version" not in told and str(told["redis_version"]).startswith("7.0.")


def refusals(client: Any) -> list[str]:
    """What the server has refused lately, newest first: by whom, what, how often."""
    told = []
    for entry in client.acl_log(count=TOLD_REFUSALS):
        known = {_text(name): _text(value) for name, value in entry.items() if name != "client-info"}
        told.append(f"{known['username']} {known['reason']} {known['object']} ({known['count']} times)")
    return told


def _of_one(client: Any, found: Any, role: Role, passwords: Path | None) -> Iterator[str]:
    flags = _words(found["flags"])
    if "on" not in flags:
        yield f"expected the user {role.name} on, found it off"
    if "nopass" in flags or not found["passwords"]:
        yield f"expected a password of {role.name}, found none"
    elif passwords is not None:
        hashed = password_hash(read_password(passwords / role.name, "a role's password"))
        if [_text(one) for one in found["passwords"]] != [hashed]:
            yield f"expected the one password of {role.name} that is in {passwords}, found another"
    wanted = _as_told(client, role)
    for kind in ("commands", "keys", "channels", "categories"):
        granted, meant = (set(_words(one.get(kind))) for one in (found, wanted))
        if granted != meant:
            differs = [*(f"{one} too much" for one in sorted(granted - meant))]
            differs += [f"{one} missing" for one in sorted(meant - granted)]
            yield f"expected the {kind} of {role.name} as its role says, found {', '.join(differs)}"
    held, due = (sorted(_told_selectors(one)) for one in (found, wanted))
    if held != due:
        yield (
            f"expected the {len(due)} grants of {role.name} as its role says, found "
            f"{'; '.join(one for one in held if one not in due) or 'some missing'}"
        )


def _as_told(client: Any, role: Role) -> Any:
    """A role's rights in the words of this server: each version sums commands up in its own way."""
    name = f"bands-acl-check-{secrets.token_hex(8)}"
    client.execute_command("ACL", "SETUSER", name, "reset", "off", *role.rules)
    try:
        return client.acl_getuser(name)
    finally:
        client.acl_deluser(name)


def _told_selectors(user: Any) -> list[str]:
    """Each selector as sorted words: servers answer with maps or with flat lists."""
    told = []
    for one in user.get("selectors") or ():
        parts = [*one.items()] if isinstance(one, dict) else list(zip(one[::2], one[1::2], strict=True))
        told.append("; ".join(f"{_text(k)} {' '.join(sorted(_words(v)))}" for k, v in parts))
    return told


def _words(told: Any) -> list[str]:
    if told is None:
        return []
    if isinstance(told, (list, tuple, set)):
        return [word for one in told for word in _text(one).split()]
    return _text(told).split()


def _text(told: Any) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)
