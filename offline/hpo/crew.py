"""Who else runs a study: nobody beside a journal file, other machines beside a journal on Redis.

A trial belongs to the run that claimed it. A run that dies leaves its trial running for ever, in its slot;
the others may take the slot back only when they know that it died.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

BEAT_EVERY_S = 5.0
DEAD_AFTER_S = 30.0
"""Six beats: a slow network or a short pause is not a death."""


class Crew(Protocol):
    """The runs that share a storage."""

    @property
    def me(self) -> str:
        """This run's name, `host/process/token`."""
        ...

    def alive(self, owner: str) -> bool:
        """Whether the run of this name may still finish its trial."""
        ...


class Alone:
    """No other run: whatever another one left running is dead."""

    def __init__(self) -> None:
        self.me = _name()

    def alive(self, owner: str) -> bool:
        """Only this one."""
        return owner == self.me


class RedisCrew:
    """Runs that leave a beating key on a server.

    A run on this host whose process is gone is dead at once, so that the same command may follow a kill
    without a pause; on another host its key must expire first.
    """

    def __init__(self, url: str, prefix: str, *, dead_after_s: float = DEAD_AFTER_S) -> None:
        self.me = _name()
        self._redis = Redis.from_url(url)
        self._prefix = f"{prefix}:alive"
        self._dead_after_ms = int(dead_after_s * 1_000)

    def beat(self) -> None:
        """Live on for `dead_after_s`."""
        self._redis.set(f"{self._prefix}:{self.me}", 1, px=self._dead_after_ms)

    def leave(self) -> None:
        """Die at once."""
        self._redis.delete(f"{self._prefix}:{self.me}")

    def alive(self, owner: str) -> bool:
        """Whether the key is there and, on this host, the process too."""
        host, process, _ = owner.rsplit("/", 2)
        mine = self.me.rsplit("/", 2)
        if owner != self.me and host == mine[0] and (process == mine[1] or not _runs(int(process))):
            return False
        return bool(self._redis.exists(f"{self._prefix}:{owner}"))


@contextmanager
def redis_crew(url: str, prefix: str) -> Iterator[RedisCrew]:
    """Join the crew of a server, and leave it in the end."""
    crew = RedisCrew(url, prefix)
    crew.beat()
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_EVERY_S):
            try:
                crew.beat()
            except RedisError:  # the search itself meets the same server, and tells
                continue

    heart = threading.Thread(target=beat, name="hpo-heart", daemon=True)
    heart.start()
    try:
        yield crew
    finally:
        stop.set()
        heart.join()
        with suppress(RedisError):  # the key expires by itself; this must not hide why the search ended
            crew.leave()


def _name() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
