"""Who owns a partition: a lease with a time to live and a fencing token that never repeats."""

from __future__ import annotations

import uuid

from redis.asyncio import Redis

from contracts.topics import Topics

_ACQUIRE = """#!lua
local owner = redis.call('GET', KEYS[1])
if owner then
  return { 0, owner }
end
local epoch = redis.call('INCR', KEYS[2])
local token = epoch .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return { 1, token }
"""

_RENEW = """#!lua
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.call('GET', KEYS[1]) or ''
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ARGV[1]
"""

_RELEASE = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


class Lease:
    """One partition's lease. `token` is `epoch:identity`; the epoch grows with every owner."""

    def __init__(self, redis: Redis, topics: Topics, ttl_ms: int) -> None:
        self._key = topics.lease
        self._epoch = topics.epoch
        self.ttl_ms = ttl_ms
        self._identity = uuid.uuid4().hex
        self._acquire = redis.register_script(_ACQUIRE)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)
        self.token = ""

    @property
    def epoch(self) -> int:
        """The number of this lease among all ever taken of the partition; 0 before the first."""
        return int(self.token.split(":")[0]) if self.token else 0

    async def acquire(self) -> str | None:
        """Take the lease if it is free; return None when taken, else the present owner's token.

        An owner of this very process counts as free: after a lost reply the lease is already ours.
        """
        taken, owner = await self._acquire(keys=[self._key, self._epoch], args=[self._identity, self.ttl_ms])
        token = owner.decode()
        if taken or token.endswith(self._identity):
            self.token = token
            return None
        return str(token)

    async def renew(self) -> str | None:
        """Extend the lease; return None when it is still ours, else whose it is ('' for nobody's)."""
        owner = (await self._renew(keys=[self._key], args=[self.token, self.ttl_ms])).decode()
        return None if owner == self.token else owner

    async def release(self) -> None:
        """Give the lease back, if it is still ours."""
        await self._release(keys=[self._key], args=[self.token])
