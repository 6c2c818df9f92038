"""Following the registry: the lineup in force is what its aliases point at, swapped between two bars."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.model.bundle import TrustedKeys, load_bundle
from contracts.topics import RELEASES
from worker.config import WorkerConfig
from worker.health import Health
from worker.lineup import Lineup
from worker.look_up import FetchError
from worker.metrics import REGISTRY_POLLS, REGISTRY_SEEN
from worker.partition import FencedError, Partition, RefusedError
from worker.registry import RefusedBundleError, RegistrySettings, fetch_lineup, kept_lineup

log = logging.getLogger(__name__)

HINT_PAUSE_S = 5.0
REGISTRY, SWAP, CHALLENGER = "registry", "swap", "challenger"


async def first_lineup(config: WorkerConfig, health: Health) -> Lineup:
    """The lineup to start with: the folders', the registry's, or the verified local copy of that.

    Waits while the registry has none. Bars wait in the stream meanwhile: taking them without a bundle
    would lose the states it brings.

    Raises:
        BundleError: a folder does not verify, or no trusted key has signed it.
        SignatureError: the trusted keys can not be read.
    """
    if config.bundle is not None:
        trusted = TrustedKeys.of(config.trusted_keys)
        champion = load_bundle(config.bundle, accelerate=False, trusted=trusted)
        rival = None
        if config.challenger is not None:
            rival = load_bundle(config.challenger, accelerate=False, trusted=trusted)
        return Lineup(champion, rival, config.share if rival else 0.0)
    assert config.registry is not None
    while True:
        try:
            lineup = await fetch_lineup(config.registry)
        except FetchError as error:
            REGISTRY_POLLS.labels("refused" if isinstance(error, RefusedBundleError) else "failed").inc()
            kept = kept_lineup(config.registry)
            if kept is not None:
                health.notes[REGISTRY] = f"serving the local copy: {error}"
                log.warning("serving the local copy, %s: %s", kept, error)
                return kept
            health.troubles[REGISTRY] = str(error)
            log.warning("no bundle yet, bars wait: %s", error)
            await asyncio.sleep(config.registry_retry_s)
        else:
            health.troubles.pop(REGISTRY, None)
            _answered()
            _note_left_out(health, lineup)
            return lineup


def _answered() -> None:
    REGISTRY_POLLS.labels("ok").inc()
    REGISTRY_SEEN.set(time.time())


class Follower:
    """Polls the aliases, which are the truth; an entry on `releases` is a hint to look at once."""

    def __init__(
        self,
        redis: Redis,
        partition: Partition,
        settings: RegistrySettings,
        health: Health,
        lease_lost: Callable[[], None],
    ) -> None:
        self._redis: Any = redis
        self._partition = partition
        self._settings = settings
        self._health = health
        self._lease_lost = lease_lost
        self._hint = asyncio.Event()

    async def keep_polling(self) -> int:
        """Swap whenever the aliases have moved, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), self._settings.poll_s)
            self._hint.clear()
            await self.look()

    async def look(self) -> None:
        """Swap to what the aliases point at now; what prevents that is noted, and the old one serves on."""
        notes = self._health.notes
        try:
            lineup = await fetch_lineup(self._settings, self._partition.lineup)
            notes.pop(REGISTRY, None)
            _answered()
            _note_left_out(self._health, lineup)
            if lineup.key != self._partition.lineup.key:
                await self._partition.swap(lineup)
            notes.pop(SWAP, None)
        except RefusedBundleError as error:
            REGISTRY_POLLS.labels("refused").inc()
            REGISTRY_SEEN.set(time.time())
            self._note(REGISTRY, str(error))
        except FetchError as error:
            REGISTRY_POLLS.labels("failed").inc()
            self._note(REGISTRY, str(error))
        except RefusedError as error:
            REGISTRY_POLLS.labels("refused").inc()
            self._note(SWAP, str(error))
        except FencedError as error:
            self._note(SWAP, str(error))
            self._lease_lost()
        except (RedisError, OSError) as error:
            self._note(SWAP, f"{type(error).__name__}: {error}")

    async def keep_listening(self) -> int:
        """Wake the polling whenever something is appended to `releases`, for ever."""
        after = "$"
        while True:
            try:
                reply = await self._redis.xread({RELEASES: after}, count=100, block=1_000)
            except (RedisError, OSError):
                await asyncio.sleep(HINT_PAUSE_S)
                continue
            if reply:
                after = reply[0][1][-1][0]
                self._hint.set()

    def _note(self, part: str, what: str) -> None:
        if self._health.notes.get(part) != what:
            log.warning("%s: %s", part, what)
        self._health.notes[part] = what


def _note_left_out(health: Health, lineup: Lineup) -> None:
    if lineup.left_out is None:
        health.notes.pop(CHALLENGER, None)
    else:
        health.notes[CHALLENGER] = lineup.left_out
