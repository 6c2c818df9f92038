"""Clients of the server that holds the streams: one node or a cluster, told apart by one argument."""

from __future__ import annotations

from typing import Any

from redis import Redis as SyncRedis
from redis import RedisCluster as SyncCluster
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException

from contracts.steady import SteadyCluster, SteadySyncCluster, steady


def connect(url: str, *, cluster: bool = False, **options: Any) -> Any:
    """An asyncio client; nothing is connected before the first command.

    Args:
        url: `redis://`, `rediss://` or `unix://`; of a cluster, any one of its nodes.
        cluster: whether the server is a Redis or Valkey Cluster. Nodes that are down cost only the
            partitions that live on them.
        options: what redis-py's `from_url` takes.
    """
    if cluster:
        return steady(SteadyCluster.from_url(url, require_full_coverage=False, **options))
    return steady(Redis.from_url(url, **options))


def connect_sync(url: str, *, cluster: bool = False, **options: Any) -> Any:
    """A blocking client, as `connect`; a cluster is connected here.

    Raises:
        redis.exceptions.ConnectionError: no node of the cluster answers.
    """
    if cluster:
        try:
            return SteadySyncCluster.from_url(url, require_full_coverage=False, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
    return SyncRedis.from_url(url, **options)


def beside(redis: Any, key: str) -> dict[str, Any]:
    """Arguments that send a command without a key, such as TIME, to the node that holds `key`."""
    if isinstance(redis, (RedisCluster, SyncCluster)):
        try:
            return {"target_nodes": redis.get_node_from_key(key)}
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
    return {}


def nodes_of(redis: Any) -> dict[str, Any]:
    """A blocking client for each node of a blocking client's cluster, by `host:port`; else itself, as ``.

    Raises:
        redis.exceptions.ConnectionError: from the first command, where a node does not answer.
    """
    if isinstance(redis, SyncCluster):
        return {node.name: redis.get_redis_connection(node) for node in redis.get_nodes()}  # type: ignore[no-untyped-call]
    return {"": redis}


def transaction(redis: Any, key: str) -> Any:
    """A pipeline that the server carries out at one moment (MULTI); all its keys lie where `key` does.

    On a cluster it is one of the node itself: redis-py 8.1's own hands answers out as they came off the wire,
    and its XINFO has no `first-entry`.

    Raises:
        redis.exceptions.ConnectionError: no node holds `key` at present.
    """
    if isinstance(redis, SyncCluster):
        redis.exists(key)  # an ordinary command follows a slot that has moved, a transaction does not
        redis = redis.get_redis_connection(beside(redis, key)["target_nodes"])
    return redis.pipeline(transaction=True)
