"""A client that reads: one server or a cluster, and how its failures are taken."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    NoPermissionError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

import contracts.connect
from contracts.errors import BadInputError, UnavailableError

log = logging.getLogger("contracts.client")

T = TypeVar("T")

SOCKET_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

REMIND_S = 60.0
"""An outage is told when it begins, and again so often."""

REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
"""Waiting does not help: the user or its password is not allowed in. Two of them are connection errors."""

AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    RedisClusterException,
    TryAgainError,
    OSError,
    asyncio.TimeoutError,
)


def connect(url: str, *, cluster: bool, options: Mapping[str, Any] | None) -> Any:
    """A client of the server, or of the cluster one of whose nodes is at `url`. Nothing is sent yet.

    `options` go to redis-py as they are, as in `{"ssl_ca_certs": "ca.pem"}` or a `credential_provider`.

    Raises:
        BadInputError: `url` is not a Redis URL.
    """
    fixed = {"decode_responses": False, "protocol": 2}
    given = {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        **(options or {}),
    }
    try:
        if not cluster:
            # `Patience` waits instead, so that an outage is told once and ends with every stream checked.
            given = {"retry": Retry(NoBackoff(), 0), **given}
        return contracts.connect.connect(url, cluster=cluster, **{**given, **fixed})
    except (ValueError, TypeError) as error:
        raise BadInputError(
            f"expected a URL such as redis://host:6379 or rediss://user:password@host:6380, found one that "
            f"redis-py refuses: {error}"
        ) from error


def place(url: str) -> str:
    """The URL without user, password and query, fit to be shown.

    >>> place("rediss://desk:secret@redis.example:6380/0?ssl_ca_certs=ca.pem")
    'rediss://redis.example:6380/0'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Patience:
    """Carries reads through outages: one line when one begins, one when it is over, pauses in between."""

    def __init__(self, where: str, patience_s: float | None) -> None:
        self._where = where
        self._patience_s = patience_s
        self._since: float | None = None
        self._told = 0.0
        self.outages = 0

    async def keep_trying(self, read: Callable[[], Awaitable[T]]) -> T:
        """The answer of `read`, however long the server is away.

        Raises:
            UnavailableError: it was away for longer than `patience_s`, or does not let this user read.
        """
        pause = FIRST_PAUSE_S
        while True:
            try:
                answer = await read()
            except (*AWAY, ResponseError) as error:
                if (refusal := _refusal(error)) is not None:
                    raise UnavailableError(
                        f"expected to be let in at {self._where}, found {refusal}; give the CA of its "
                        "certificate, and a user that may run XREAD, XRANGE, XREVRANGE, XINFO STREAM and "
                        "HGETALL on these keys"
                    ) from error
                if not isinstance(error, AWAY):
                    raise UnavailableError(
                        f"expected streams of bands at {self._where}, found {error}; is it the right server?"
                    ) from error
                self._away(error)
            else:
                self._back()
                return answer
            # Many subscribers of one server should not all come back in the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _away(self, error: BaseException) -> None:
        told = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        if self._since is None:
            self._since, self._told = now, now - REMIND_S
            self.outages += 1
        if now - self._told >= REMIND_S:
            self._told = now
            log.warning("expected Redis at %s, found %s; trying until it answers", self._where, told)
        away_s = now - self._since
        if self._patience_s is not None and away_s >= self._patience_s:
            raise UnavailableError(
                f"expected Redis at {self._where} within {self._patience_s:g} s, found {told}; is it "
                "running, and is the URL right?"
            ) from error

    def _back(self) -> None:
        if self._since is not None:
            log.warning("Redis at %s answers again after %.1f s", self._where, time.monotonic() - self._since)
            self._since = None


def _refusal(error: BaseException) -> BaseException | None:
    """What in an error's chain no waiting would mend: a cluster client hides the first cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (*REFUSED, ssl.SSLCertVerificationError)):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
