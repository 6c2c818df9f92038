"""Servers as a deployment has them: users from a generated ACL file, TLS where the executable knows it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from contracts.connect import connect_sync, nodes_of
from ops.embedded import free_port
from ops.embedded.binary import server_binary
from ops.security.acl import write_acl
from ops.security.roles import Role, roles
from ops.settings.sections import RedisSettings
from tests.cluster import ClusterServers
from tests.servers import Kind, missing

START_S = 30.0


@dataclass(frozen=True)
class SecureServer:
    """A running server; `settings(role)` is how a process of that role is told to connect."""

    url: str
    passwords: Path
    ca: Path | None
    acl: Path
    roles: tuple[Role, ...]
    cluster: bool = False

    def settings(self, role: str) -> RedisSettings:
        return RedisSettings(
            url=self.url,
            cluster=self.cluster,
            username=role,
            password_file=self.passwords / role,
            tls_ca_file=self.ca,
        )

    def environment(self, role: str) -> dict[str, str]:
        """The same as variables."""
        told = {
            "BANDS_REDIS__URL": self.url,
            "BANDS_REDIS__CLUSTER": str(self.cluster).lower(),
            "BANDS_REDIS__USERNAME": role,
            "BANDS_REDIS__PASSWORD_FILE": str(self.passwords / role),
        }
        return told | ({"BANDS_REDIS__TLS_CA_FILE": str(self.ca)} if self.ca else {})

    def password(self, role: str) -> str:
        return (self.passwords / role).read_text().strip()

    def client(self, role: str, **options: Any) -> Any:
        url = self.settings(role).effective_url
        assert url is not None
        return connect_sync(url, cluster=self.cluster, socket_timeout=10, **options)

    def refused(self) -> list[str]:
        """What was refused to whom so far."""
        with self.client("admin") as admin:
            log = [entry for node in nodes_of(admin).values() for entry in node.acl_log()]
        return [f"{e['username']}: {e['reason']} {e['object']} ({e['context']})" for e in log]

    def load(self) -> None:
        """Read the file again. Redis 7.0 then cuts every connection, this one too."""
        with self.client("admin") as admin, contextlib.suppress(ConnectionError, RedisConnectionError):
            admin.execute_command("ACL", "LOAD")


@contextmanager
def secure_server(
    kind: Kind, folder: Path, *, tls: bool, partitions: int = 1, cluster: bool = False
) -> Iterator[SecureServer]:
    """Start a server on the ACL file of `bands acl`, over TLS alone where `tls`; ended with the context."""
    if (why := missing(kind)) is not None:
        pytest.skip(why)
    binary = binary_of(kind)
    folder.mkdir(parents=True, exist_ok=True)
    table = roles(partitions, cluster=cluster, redis70=_is_redis70(binary))
    written = write_acl(folder / "users.acl", folder / "passwords", table)
    port = free_port()
    command = [binary, "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    command += ["--aclfile", str(written.file), "--port", "0" if tls else str(port)]
    ca = None
    if tls:
        ca = folder / "ca.pem"
        authority = trustme.CA()
        mine = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(ca))
        mine.private_key_pem.write_to_path(str(folder / "server.key"))
        mine.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
        command += ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(ca)]
        command += [
            "--tls-cert-file",
            str(folder / "server.pem"),
            "--tls-key-file",
            str(folder / "server.key"),
        ]
    url = f"{'rediss' if tls else 'redis'}://127.0.0.1:{port}"
    server = SecureServer(url, written.passwords, ca, written.file, table)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(server, process, folder / "server.log")
        yield server
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def replica(server: SecureServer, kind: Kind, folder: Path) -> Iterator[Any]:
    """A client of a replica that signs in at `server` as the role `replica`; ended with the context."""
    folder.mkdir(parents=True, exist_ok=True)
    port, primary = free_port(), urlsplit(server.url)
    command = [
        binary_of(kind),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--port",
        str(port),
        "--save",
        "",
    ]
    command += ["--replicaof", "127.0.0.1", str(primary.port)]
    command += ["--masteruser", "replica", "--masterauth", server.password("replica")]
    if kind == "valkey":
        command += ["--dual-channel-replication-enabled", "yes"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with Redis(port=port, socket_timeout=10) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def binary_of(kind: Kind) -> str:
    binary = shutil.which("redis-server") if kind == "redis7" else str(server_binary())
    assert binary is not None
    return binary


@contextmanager
def secure_cluster(folder: Path, *, partitions: int = 1) -> Iterator[SecureServer]:
    """A cluster of three Valkey nodes, each with the users of `bands acl`; ended with the context."""
    table = roles(partitions, cluster=True)
    file = folder / "users.acl"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("user default on nopass ~* &* +@all\n")  # nodes are introduced before there are users
    with ClusterServers(folder / "nodes", {"aclfile": str(file)}) as cluster:
        written = write_acl(file, folder / "passwords", table)
        for node in cluster.nodes:
            with Redis.from_url(node.url) as client:
                client.execute_command("ACL", "LOAD")
        yield SecureServer(cluster.url, written.passwords, None, file, table, cluster=True)


def _is_redis70(binary: str) -> bool:
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return "Redis server v=7.0." in told


def _wait(server: SecureServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with server.client("admin") as admin:
                admin.ping()
        except (RedisError, OSError):
            told = log.read_text(errors="replace")
            if "Failed finding TLS support" in told:
                pytest.skip("this server was built without TLS")
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"expected a server, found: {told[-800:]}") from None
            time.sleep(0.05)
        else:
            return
