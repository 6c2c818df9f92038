"""The log of one partition: each line knows whose it is, and which entry it is about."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from contracts.topics import Topics


class PartitionLog(logging.LoggerAdapter[logging.Logger]):
    """Adds `partition` and `lease` to each line, beside what the call gives in `extra`.

    >>> log = PartitionLog(logging.getLogger("x"), Topics(), lambda: "1:a")
    >>> log.process("told", {"extra": {"entry": "5-0"}})[1]["extra"]
    {'partition': 0, 'lease': '1:a', 'entry': '5-0'}
    """

    def __init__(self, logger: logging.Logger, topics: Topics, lease: Callable[[], str]) -> None:
        super().__init__(logger)
        self._partition = topics.partition
        self._lease = lease

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The message as it is, with the fields that say whose it is."""
        extra = {"partition": self._partition, "lease": self._lease(), **(kwargs.get("extra") or {})}
        return msg, {**kwargs, "extra": extra}


def about(entries: Sequence[str]) -> dict[str, Any]:
    """The fields of a line about a run of entries: `entry` is its last, `first_entry` its first of several.

    >>> about(["5-0", "6-0"])
    {'entry': '6-0', 'first_entry': '5-0', 'entries': 2}
    """
    if not entries:
        return {}
    told: dict[str, Any] = {"entry": entries[-1]}
    return told if len(entries) == 1 else told | {"first_entry": entries[0], "entries": len(entries)}
