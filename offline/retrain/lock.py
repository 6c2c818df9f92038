"""Which retrainer may run: one lock for all of them, with a time to live and a token that never repeats."""

from __future__ import annotations

import uuid
from typing import Any

from redis.asyncio import Redis

from contracts.topics import RETRAIN_EPOCH, RETRAIN_LEASE

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


class FencedError(RuntimeError):
    """Another retrainer holds the lock: this one must stop."""


class RetrainLock:
    """The one lock. `token` is `epoch:identity`; the epoch grows with every holder."""

    def __init__(self, redis: Redis, ttl_ms: int) -> None:
        self.ttl_ms = ttl_ms
        self.token = ""
        self._identity = uuid.uuid4().hex
        self._acquire: Any = redis.register_script(_ACQUIRE)
        self._renew: Any = redis.register_script(_RENEW)
        self._release: Any = redis.register_script(_RELEASE)

    async def acquire(self) -> str | None:
        """Take the lock if it is free; None when taken, else the present holder's token.

        Held by this very process counts as taken: after a lost reply it already is.
        """
        taken, owner = await self._acquire(
            keys=[RETRAIN_LEASE, RETRAIN_EPOCH], args=[self._identity, self.ttl_ms]
        )
        token = str(owner.decode())
        if taken or token.endswith(self._identity):
            self.token = token
            return None
        return token

    async def renew(self) -> str | None:
        """Extend the lock; None when it is still ours, else whose it is ('' for nobody's)."""
        owner = str((await self._renew(keys=[RETRAIN_LEASE], args=[self.token, self.ttl_ms])).decode())
        return None if owner == self.token else owner

    async def release(self) -> None:
        """Give the lock back, if it is still ours."""
        await self._release(keys=[RETRAIN_LEASE], args=[self.token])
