"""A real cluster of three nodes on loopback, for tests; nodes can be killed and brought back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis, RedisCluster

from ops.embedded import EmbeddedServer, free_port

SLOTS = 16_384
NODES = 3
FORM_S = 60.0

OPTIONS: Mapping[str, str] = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "2000",
    "cluster-require-full-coverage": "no",
}


class ClusterServers:
    """Three primaries without replicas; what lives on a killed node waits for it."""

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None) -> None:
        # Their default, 10,000 above, may be the port of somebody's outgoing connection.
        buses = [str(free_port()) for _ in range(NODES)]
        options = [{**OPTIONS, **(more or {}), "cluster-port": bus} for bus in buses]
        self._first_bus = buses[0]
        self.nodes = [
            EmbeddedServer(folder / f"node-{n}", appendfsync="always", extra=options[n]) for n in range(NODES)
        ]

    @property
    def url(self) -> str:
        """The URL of the first node."""
        return self.nodes[0].url

    def client(self) -> Any:
        """A synchronous client of the whole cluster."""
        return RedisCluster.from_url(self.url, require_full_coverage=False)

    def node_of(self, key: str) -> EmbeddedServer:
        """The node that holds `key`."""
        client = self.client()
        port = client.get_node_from_key(key).port
        client.close()
        return next(node for node in self.nodes if node.port == port)

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        bounds = [SLOTS * n // NODES for n in range(NODES + 1)]
        clients = [Redis.from_url(node.url) for node in self.nodes]
        for n, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._first_bus)
        deadline = time.monotonic() + FORM_S
        while not all(_formed(client) for client in clients):
            assert time.monotonic() < deadline, (
                "expected the three nodes to form a cluster, found that they did not"
            )
            time.sleep(0.05)
        for client in clients:
            client.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.close()


def _formed(client: Any) -> bool:
    told = client.execute_command("CLUSTER", "INFO")
    text = told.decode() if isinstance(told, bytes) else "\n".join(f"{k}:{v}" for k, v in told.items())
    return "cluster_state:ok" in text and f"cluster_known_nodes:{NODES}" in text
