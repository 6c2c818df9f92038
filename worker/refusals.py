"""Dead letters in the log: each kind at once, and then at most one line in ten seconds of it.

A broken feed may send hundreds a second; `bars.dead` holds every one, the log only says that there are some.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from contracts.topics import Topics
from worker.partition_log import PartitionLog
from worker.step import Event

TOLD_EVERY_S = 10.0
DETAIL_MAX = 300


class Refusals:
    """Tells of the dead letters among what was said."""

    def __init__(self, log: PartitionLog, topics: Topics) -> None:
        self._log = log
        self._dead = topics.dead
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def tell(self, events: Iterable[Event]) -> None:
        """Log the dead letters of one run."""
        for event in events:
            if event.stream == self._dead:
                letter = json.loads(event.payload)
                self._tell_one(letter["reason"], letter["entry"], letter["detail"])

    def _tell_one(self, reason: str, entry: str, detail: str) -> None:
        now = time.monotonic()
        if now - self._told.get(reason, -TOLD_EVERY_S) < TOLD_EVERY_S:
            self._untold[reason] = self._untold.get(reason, 0) + 1
            return
        self._told[reason] = now
        untold = self._untold.pop(reason, 0)
        more = f" ({untold} more since the last line)" if untold else ""
        fields = {"entry": entry, "reason": reason}
        self._log.warning(
            "entry %s refused as %s%s: %s", entry, reason, more, detail[:DETAIL_MAX], extra=fields
        )
