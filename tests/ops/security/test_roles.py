"""The ACL on real servers: each role is refused whatever is not its work."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from typer.testing import CliRunner

from contracts.errors import BadInputError
from contracts.model.grid import HORIZONS
from contracts.topics import (
    GROUP,
    RELEASES,
    RETRAIN_GROUP,
    RETRAIN_LEASE,
    RETRAIN_STATUS,
    Topics,
)
from ops.cli.app import app
from ops.embedded import free_port
from ops.release.history import PENDING
from ops.security.acl import write_acl
from ops.security.check import differences
from ops.security.roles import ADMIN, roles
from tests.behaviour.harness import wait_until
from tests.ops.security.servers import SecureServer, replica, secure_server
from tests.servers import KINDS

PARTITIONS = 2
T = Topics(0, PARTITIONS)
OTHER = Topics(1, PARTITIONS)

EVERY_ROLE_BUT_ADMIN = [role.name for role in roles(PARTITIONS) if role.name != ADMIN]
NOBODY: tuple[tuple[str, ...], ...] = (
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "requirepass"), ("CONFIG", "SET", "maxmemory", "1"),
    ("ACL", "LIST"), ("ACL", "SETUSER", "x", "on"), ("KEYS", "*"), ("SCAN", "0"), ("SHUTDOWN", "NOSAVE"),
    ("CLIENT", "LIST"), ("CLIENT", "KILL", "ID", "999999"), ("MONITOR",),
    ("SAVE",), ("REPLICAOF", "NO", "ONE"), ("MODULE", "LIST"), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH"),
    ("RENAME", T.bars, "x"), ("DUMP", T.state), ("PUBLISH", "x", "y"), ("SUBSCRIBE", "x"),
    ("GET", "foreign"), ("SET", "foreign", "x"), ("DEL", T.bars), ("XADD", "bars.4h", "*", "a", "b"),
    ("SET", T.bars, "x"), ("SET", T.bands(42), "x"), ("DEL", T.bands(42)), ("DEL", T.state),
    ("DEL", RELEASES), ("HSET", T.bars, "a", "b"), ("PEXPIRE", T.bars, "1"),
    ("XGROUP", "DESTROY", T.bars, GROUP), ("XDEL", T.bars, "0-1"), ("XSETID", T.bars, "0-1"),
)  # fmt: skip
"""Refused to every role. `bars.4h` without a partition is no key of a deployment that has two."""

WRITES: dict[str, tuple[str, ...]] = {
    "bars": ("XADD", T.bars, "*", "a", "b"),
    "trim bars": ("XTRIM", T.bars, "MAXLEN", "0"),
    "bands": ("XADD", T.bands(42), "*", "a", "b"),
    "outcomes": ("XADD", T.outcomes(42), "*", "a", "b"),
    "latest": ("HSET", T.latest("AAA"), "T42", "x"),
    "state": ("HSET", T.state, "AAA", "x"),
    "cursor": ("HSET", T.cursor, "entry", "9-9"),
    "lease": ("SET", T.lease, "mine"),
    "drift": ("XADD", T.drift, "*", "a", "b"),
    "request": ("XADD", T.retrain, "*", "a", "b"),
    "status": ("XADD", RETRAIN_STATUS, "*", "a", "b"),
    "retrain lease": ("SET", RETRAIN_LEASE, "mine"),
    "releases": ("XADD", RELEASES, "*", "a", "b"),
    "pending": ("SET", PENDING, "x"),
    "other partition": ("HSET", OTHER.state, "AAA", "x"),
    "feed": ("SET", "feed.lease", "x"),
    "notify": ("HSET", "notify.position", "a", "b"),
}
MAY_WRITE: dict[str, set[str]] = {
    "feed": {"bars", "feed"},
    "worker": {
        "trim bars", "bands", "outcomes", "latest", "state", "cursor", "lease", "drift", "request",
        "other partition",
    },
    "worker-0": {
        "trim bars", "bands", "outcomes", "latest", "state", "cursor", "lease", "drift", "request",
    },
    "worker-1": {"other partition"},
    "subscriber": set(),
    "retrainer": {"request", "status", "retrain lease", "releases", "pending"},
    "ops": {"request", "releases", "pending"},
    "dashboard": set(),
    "notify": {"notify"},
    "tuner": set(),
    "replica": set(),
}  # fmt: skip
READS: dict[str, tuple[str, ...]] = {
    "bars": ("XRANGE", T.bars, "-", "+", "COUNT", "1"),
    "bands": ("XRANGE", T.bands(42), "-", "+", "COUNT", "1"),
    "outcomes": ("XREVRANGE", T.outcomes(60), "+", "-", "COUNT", "1"),
    "latest": ("HGETALL", T.latest("AAA")),
    "shadow": ("XRANGE", T.shadow(42), "-", "+", "COUNT", "1"),
    "dead": ("XRANGE", T.dead, "-", "+", "COUNT", "1"),
    "state": ("HGETALL", T.state),
    "drift": ("XRANGE", T.drift, "-", "+", "COUNT", "1"),
    "releases": ("XRANGE", RELEASES, "-", "+", "COUNT", "1"),
    "status": ("XRANGE", RETRAIN_STATUS, "-", "+", "COUNT", "1"),
    "lease": ("GET", T.lease),
}
MAY_READ: dict[str, set[str]] = {
    "feed": set(),
    "worker": set(READS) - {"status", "releases"},
    "worker-0": set(READS) - {"status", "releases"},
    "worker-1": set(),
    "subscriber": {"bands", "outcomes", "latest"},
    "retrainer": {"bars", "releases", "status"},
    "ops": set(READS),
    "dashboard": set(READS),
    "notify": {"drift", "releases", "status"},
    "tuner": set(),
    "replica": set(),
}


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureServer]:
    folder = tmp_path_factory.mktemp("acl")
    with secure_server(request.param, folder, tls=False, partitions=PARTITIONS) as started:
        with started.client("admin") as admin:
            for topics in (T, OTHER):
                admin.xgroup_create(topics.bars, GROUP, id="0", mkstream=True)
                admin.xgroup_create(topics.retrain, RETRAIN_GROUP, id="0", mkstream=True)
        yield started


def allowed(server: SecureServer, role: str, command: tuple[str, ...]) -> bool:
    """Whether the server would carry a command out for a role; nothing is carried out."""
    with server.client(ADMIN) as admin:
        told = admin.execute_command("ACL", "DRYRUN", role, *command)
    return bool(told in (b"OK", "OK", True))


@pytest.mark.parametrize("role", EVERY_ROLE_BUT_ADMIN)
def test_what_is_nobodys_work_is_refused_to_every_role(server: SecureServer, role: str) -> None:
    for command in NOBODY:
        assert not allowed(server, role, command), f"{role} may {' '.join(command)}"
        with server.client(role) as client, pytest.raises((NoPermissionError, ResponseError)) as told:
            client.execute_command(*command)
        assert "permission" in str(told.value) or "unknown" in str(told.value).lower()


@pytest.mark.parametrize("role", EVERY_ROLE_BUT_ADMIN)
def test_each_role_reads_and_writes_its_own_and_nothing_else(server: SecureServer, role: str) -> None:
    written = {name for name, command in WRITES.items() if allowed(server, role, command)}
    read = {name for name, command in READS.items() if allowed(server, role, command)}
    assert written == MAY_WRITE[role]
    assert read == MAY_READ[role]


def test_a_script_reaches_no_further_than_its_role(server: SecureServer) -> None:
    with server.client("feed") as feed:
        assert feed.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "feed.sent", "x") == b"OK"
        with pytest.raises(ResponseError, match=r"(?i)permission"):
            feed.eval("return redis.call('GET', KEYS[1])", 1, T.state)
        with pytest.raises(ResponseError, match=r"(?i)permission|can't access"):
            feed.eval("return redis.call('DEL', 'worker.state.{0}')", 0)


def test_without_a_password_nobody_comes_in(server: SecureServer) -> None:
    from redis import Redis

    with Redis.from_url(server.url) as bare, pytest.raises(AuthenticationError):
        bare.ping()
    wrong = server.url.replace("redis://", f"redis://worker:{server.password('feed')}@")
    with Redis.from_url(wrong) as other, pytest.raises(AuthenticationError):
        other.ping()


def test_a_replica_copies_and_may_nothing_else(
    server: SecureServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind = request.node.callspec.params["server"]
    with server.client(ADMIN) as admin, replica(server, kind, tmp_path) as copy:
        admin.acl_log_reset()
        if kind == "valkey":
            admin.config_set("dual-channel-replication-enabled", "yes")
        entry = admin.xadd(T.bars, {"data": "copied"})
        wait_until(lambda: answered(copy, T.bars)[-1:] == [entry], "the entry on the replica")
        assert admin.acl_log() == []


def answered(copy: Any, stream: str) -> list[bytes]:
    try:
        return [entry for entry, _ in copy.xrange(stream)]
    except (RedisConnectionError, ResponseError):  # it starts, or loads what it was sent
        return []


def test_a_changed_user_is_found(server: SecureServer) -> None:
    with server.client(ADMIN) as admin:
        assert list(differences(admin, server.roles, server.passwords)) == []
        try:
            admin.execute_command("ACL", "SETUSER", "subscriber", "+flushall", "~secret:*")
            admin.execute_command("ACL", "SETUSER", "guest", "on", "nopass", "~*", "+get")
            admin.execute_command("ACL", "SETUSER", "notify", "off")
            admin.execute_command("ACL", "SETUSER", "default", "on", "nopass")
            admin.execute_command("ACL", "SETUSER", "feed", ">second")
            found = "\n".join(differences(admin, server.roles, server.passwords))
        finally:
            server.load()
    with server.client(ADMIN) as admin:
        assert list(differences(admin, server.roles, server.passwords)) == []
    for words in (
        "commands of subscriber", "+flushall too much", "keys of subscriber", "found guest",
        "notify on, found it off", "user default off, found it on", "one password of feed",
    ):  # fmt: skip
        assert words in found
    with server.client("ops") as nosy, pytest.raises(Exception, match="connect as admin"):
        list(differences(nosy, server.roles))


def test_a_new_password_is_in_force_after_a_load(server: SecureServer) -> None:
    before = server.password("tuner")
    runner = CliRunner()
    asked = ["acl", "--out", str(server.acl), "--passwords", str(server.passwords), "--renew", "tuner"]
    more = ["--redis-7.0"] if server.roles == roles(PARTITIONS, redis70=True) else []
    done = runner.invoke(app, [*asked, *more], env={"BANDS_STREAM__PARTITIONS": str(PARTITIONS)})
    assert done.exit_code == 0, done.output
    assert server.password("tuner") != before
    assert server.password("tuner") not in done.output
    with server.client(ADMIN) as admin:
        assert "one password of tuner" in "\n".join(differences(admin, server.roles, server.passwords))
    server.load()
    with server.client(ADMIN) as admin:
        assert list(differences(admin, server.roles, server.passwords)) == []
    with server.client("tuner") as tuner:
        assert tuner.ping()


def test_the_command_checks_a_server(server: SecureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_STREAM__PARTITIONS", str(PARTITIONS))
    asked = ["acl", "--check", server.url, "--passwords", str(server.passwords), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["differences"] == []
    monkeypatch.setenv("BANDS_STREAM__PARTITIONS", "1")
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 1
    assert "found worker-0" in done.output
    assert "error" not in done.output
    done = CliRunner().invoke(app, ["acl", "--check", f"redis://127.0.0.1:{free_port()}"])
    assert done.exit_code == 4, done.output
    assert "not compared: expected an answer" in done.output
    assert "error 4" not in done.output


def test_writing_again_changes_nothing_and_secrets_are_closed(tmp_path: Path) -> None:
    file, folder = tmp_path / "users.acl", tmp_path / "passwords"
    first = write_acl(file, folder, roles())
    assert first.is_new
    assert set(first.made) == {role.name for role in roles()}
    text, secrets = file.read_text(), {path.name: path.read_text().strip() for path in folder.iterdir()}
    again = write_acl(file, folder, roles())
    assert not again.is_new
    assert again.made == ()
    assert file.read_text() == text
    assert len(set(secrets.values())) == len(roles())
    assert not any(secret in text for secret in secrets.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert text.splitlines()[0].startswith("user default off")


def test_own_users_are_kept_and_a_strange_file_is_left_alone(tmp_path: Path) -> None:
    file, folder = tmp_path / "users.acl", tmp_path / "passwords"
    file.write_text("user default on nopass ~* +@all\nuser backup on >x ~* +psync\n")
    assert write_acl(file, folder, roles()).kept == ("backup",)
    assert "user backup on >x ~* +psync" in file.read_text()
    assert "user default on" not in file.read_text()
    file.write_text("port 6379\n")
    with pytest.raises(BadInputError, match="found another in line 1"):
        write_acl(file, folder, roles())
    assert file.read_text() == "port 6379\n"


def test_the_names_are_those_of_the_topics() -> None:
    (ops,) = (role for role in roles(PARTITIONS) if role.name == "ops")
    (worker,) = (role for role in roles(PARTITIONS) if role.name == "worker-0")
    assert any(PENDING in grant.keys for grant in ops.grants)
    scripts = worker.grants[0].keys
    for name in (T.bars, T.dead, T.drift, T.retrain, T.lease, T.epoch, T.cursor, T.swaps, T.state):
        assert name in scripts
    assert {T.bands(h).replace(str(h), "*", 1) for h in HORIZONS} <= set(scripts)
