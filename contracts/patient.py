"""A client whose group reads never fail fast, for services that outlive their server's faults."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from contracts.steady import SteadyCluster, steady

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
TOLD_EVERY = 12
"""Failed reads per log line once the pause is at its longest: one line a minute."""


class Patient:
    """Group reads to which a fault is a pause, up to five seconds, and an empty answer.

    `beat` is the monotonic time of the last read that returned (0 before the first), `beats` the same by
    stream; `failures` how many failed in a row, `trouble` what the last one said. `on_failure` is called once
    for every failed read.
    """

    beat = 0.0
    failures = 0
    trouble: str | None = None
    on_failure: Callable[[], object] | None = None

    @property
    def beats(self) -> dict[str, float]:
        """When each stream's last read returned; a stream never read is not in it."""
        known: dict[str, float] = self.__dict__.setdefault("_beats", {})
        return known

    async def xreadgroup(
        self, groupname: str, consumername: str, streams: Mapping[Any, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Read as the parent does; only a lost group is raised, since no retry can cure it."""
        names = ", ".join(str(stream) for stream in streams)
        try:
            reply: Any = await super().xreadgroup(  # type: ignore[misc]
                groupname, consumername, streams, *args, **kwargs
            )
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and "NOGROUP" in str(error):
                raise
            self.failures += 1
            if self.on_failure is not None:
                self.on_failure()
            self.trouble = f"{type(error).__name__}: {error}"
            if self.failures == 1 or self.failures % TOLD_EVERY == 0:
                log.warning("reading %s failed %d times in a row: %s", names, self.failures, self.trouble)
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 6)))
            reply = []
        else:
            if self.failures:
                log.warning("reading %s works again after %d failures", names, self.failures)
            self.failures, self.trouble = 0, None
        self.beat = time.monotonic()
        self.beats.update(dict.fromkeys(streams, self.beat))
        return reply


class PatientRedis(Patient, Redis):  # type: ignore[misc]
    """One server, read patiently."""


class PatientCluster(Patient, SteadyCluster):  # type: ignore[misc]
    """A cluster, read patiently."""


def patient(url: str, *, cluster: bool = False, **options: Any) -> Any:
    """A patient client, as `contracts.connect.connect` makes an ordinary one."""
    if cluster:
        return steady(PatientCluster.from_url(url, require_full_coverage=False, **options))
    return steady(PatientRedis.from_url(url, **options))
