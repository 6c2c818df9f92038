"""A connection that is torn down under whoever uses it is a `RedisError`, as every other fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.connect import connect
from contracts.patient import patient
from tests.cluster import ClusterServers


async def torn(client: Any, connection: Any) -> Any:
    """The answer to a command whose connection somebody else closes as soon as it is being written."""
    asked = asyncio.create_task(client.get("{a}b"))
    closed = asyncio.create_task(connection.disconnect(nowait=True))
    await closed
    return await asked


@pytest.mark.parametrize("make", [connect, patient])
async def test_of_a_server(embedded_url: str, make: Any) -> None:
    async with make(embedded_url, socket_timeout=5.0, retry=Retry(NoBackoff(), 0)) as client:
        await client.set("{a}b", "1")
        (connection,) = client.connection_pool._available_connections
        with pytest.raises(RedisConnectionError):
            await torn(client, connection)
        assert await client.get("{a}b") == b"1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    with ClusterServers(tmp_path_factory.mktemp("cluster"), {"cluster-node-timeout": "15000"}) as started:
        yield started


@pytest.mark.parametrize("make", [connect, patient])
async def test_of_a_cluster(cluster: ClusterServers, make: Any) -> None:
    async with make(cluster.url, cluster=True, socket_timeout=5.0) as client:
        await client.set("{a}b", "1")
        (connection,) = client.get_node_from_key("{a}b")._connections
        assert await torn(client, connection) == b"1", "it tries again by itself"
