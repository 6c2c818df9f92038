"""Who may send: one feed of all, by a lease with a time to live. Every command touches one key only."""

from __future__ import annotations

import uuid
from typing import Any

from contracts.topics import FEED_EPOCH, FEED_LEASE

_RENEW = """#!lua
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return owner or ''
"""

_RELEASE = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


class FencedError(RuntimeError):
    """Another feed holds the lease: this one must stop."""


class FeedLease:
    """The one lease. `token` is `epoch:identity`.

    Unlike the worker's, key and counter need not live on one node of a cluster: nothing is fenced by the
    epoch, since a bar that two feeds send is the same bar and the worker takes it once.
    """

    def __init__(self, redis: Any, ttl_ms: int) -> None:
        self.ttl_ms = ttl_ms
        self.token = ""
        self._redis = redis
        self._identity = uuid.uuid4().hex

    @property
    def epoch(self) -> int:
        """The number of this lease among all ever asked for; 0 before the first."""
        return int(self.token.split(":")[0]) if self.token else 0

    async def acquire(self) -> str | None:
        """Take the lease if it is free; None when taken, else the present holder's token.

        Held by this very process counts as taken: after a lost reply it already is.
        """
        holder = await self._redis.get(FEED_LEASE)
        if holder is None:
            # By name: the client's own `incr` is INCRBY, which the feed's role may not do.
            epoch = await self._redis.execute_command("INCR", FEED_EPOCH)
            token = f"{epoch}:{self._identity}"
            await self._redis.set(FEED_LEASE, token, px=self.ttl_ms, nx=True)
            holder = await self._redis.get(FEED_LEASE)
        told = (holder or b"").decode()
        if told.endswith(self._identity):
            self.token = told
            return None
        return told

    async def renew(self) -> str | None:
        """Extend the lease; None when it is still ours, else whose it is ('' for nobody's)."""
        holder = (await self._redis.eval(_RENEW, 1, FEED_LEASE, self.token, self.ttl_ms)).decode()
        return None if holder == self.token else str(holder)

    async def release(self) -> None:
        """Give the lease back, if it is still ours."""
        await self._redis.eval(_RELEASE, 1, FEED_LEASE, self.token)
