"""Clients whose every fault is a `RedisError`: redis-py 8.1 lets some of its own insides out."""

from __future__ import annotations

from typing import Any, TypeVar

from redis import RedisCluster as SyncCluster
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException

Client = TypeVar("Client", bound=Redis | RedisCluster)


class SteadyCluster(RedisCluster):
    """A cluster client to which no node that can be reached is a ConnectionError."""

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent; raises redis.exceptions.ConnectionError where it says RedisClusterException."""
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error


class SteadySyncCluster(SyncCluster):
    """The same for a blocking client."""

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent; raises redis.exceptions.ConnectionError where it says RedisClusterException."""
        try:
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error


class _Steady:
    """A connection that is torn down while it is written to says so.

    A cluster client closes a lost node's connections under whoever writes to them, and from Python 3.12 on a
    peer's reset does the same to any client. What comes out is about None: AttributeError or TypeError.
    """

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """As the parent, which has disconnected already when it raises."""
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        except (AttributeError, TypeError) as error:
            if "NoneType" not in str(error):
                raise
            raise RedisConnectionError("the connection was closed while it was written to") from error


class _SteadyConnection(_Steady, Connection):
    pass


class _SteadySSLConnection(_Steady, SSLConnection):
    pass


class _SteadyUnixConnection(_Steady, UnixDomainSocketConnection):
    pass


_STEADY: dict[type, type] = {
    Connection: _SteadyConnection,
    SSLConnection: _SteadySSLConnection,
    UnixDomainSocketConnection: _SteadyUnixConnection,
}


def steady(client: Client) -> Client:
    """An asyncio client of before its first command, its connections made steady."""
    if isinstance(client, RedisCluster):
        options = client.connection_kwargs  # nodes that are found later are made with them
        options["connection_class"] = _steady(options["connection_class"])
        for node in client.startup_nodes:
            node.connection_class = options["connection_class"]
    else:
        pool = client.connection_pool
        pool.connection_class = _steady(pool.connection_class)
    return client


def _steady(kind: type) -> type:
    """A caller's own kind of connection stays what it is."""
    return _STEADY.get(kind, kind)
