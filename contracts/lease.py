"""Who may work: a lease with a time to live and a fencing token that never repeats."""

from __future__ import annotations

import time
import uuid
from typing import Any

_ACQUIRE = """#!lua
local owner = redis.call('GET', KEYS[1])
if owner then
  return { 0, owner }
end
local token = redis.call('INCR', KEYS[2]) .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return { 1, token }
"""

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


class Lease:
    """One lease among all who ask for `key`. `token` is `epoch:identity`; the epoch grows with every owner.

    `until` is the monotonic time, seconds, up to which it is surely ours: counted from when it was asked for.

    Every method raises `redis.exceptions.RedisError` while the server is away.

    Args:
        redis: an asyncio client of a server or a cluster.
        key: holds the owner's token.
        epoch_key: counts the leases ever taken; on a cluster in the slot of `key`.
        ttl_ms: how long a silent owner keeps it, milliseconds.
    """

    def __init__(self, redis: Any, key: str, epoch_key: str, ttl_ms: int) -> None:
        self.ttl_ms = ttl_ms
        self.token = ""
        self.until = 0.0
        self._keys = [key, epoch_key]
        self._identity = uuid.uuid4().hex
        self._acquire = redis.register_script(_ACQUIRE)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)

    @property
    def epoch(self) -> int:
        """The number of this lease among all ever taken; 0 before the first."""
        return int(self.token.split(":")[0]) if self.token else 0

    async def acquire(self) -> str | None:
        """Take the lease if it is free; return None when taken, else the present owner's token.

        An owner of this very process counts as free: after a lost reply the lease is already ours.
        """
        asked = time.monotonic()
        taken, owner = await self._acquire(keys=self._keys, args=[self._identity, self.ttl_ms])
        token = str(owner.decode())
        if taken or token.endswith(self._identity):
            self.token = token
            if taken:
                self.until = asked + self.ttl_ms / 1_000
            return None
        return token

    async def renew(self) -> str | None:
        """Extend the lease; return None when it is still ours, else whose it is ('' for nobody's).

        Ours is also what another task of this very process has just taken anew.
        """
        asked, sent = time.monotonic(), self.token
        owner = str((await self._renew(keys=self._keys[:1], args=[sent, self.ttl_ms])).decode())
        if owner.endswith(self._identity):
            self.token = owner
            if owner == sent:
                self.until = asked + self.ttl_ms / 1_000
            return None
        return owner

    async def release(self) -> None:
        """Give the lease back, if it is still ours."""
        await self._release(keys=self._keys[:1], args=[self.token])
