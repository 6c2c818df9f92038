"""A journal on Redis that is read in bulk and never believed blindly."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from optuna.storages.journal import JournalRedisBackend

from contracts.errors import BadInputError

_CHUNK = 500


class RedisJournal(JournalRedisBackend):
    """Optuna's keys, without its snapshots: they are pickles, and whoever writes there could run code here.

    Raises `BadInputError` where a record is missing or no record; Optuna's own reader would wait for a
    missing one for ever.
    """

    def save_snapshot(self, snapshot: bytes) -> None:
        """Keep none."""

    def load_snapshot(self) -> bytes | None:
        """Replay the whole journal."""
        return None

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Every record from this number on."""
        last = self._redis.get(f"{self._prefix}:log_number")
        end = -1 if last is None else int(last)
        for start in range(log_number_from, end + 1, _CHUNK):
            keys = [self._key_log_id(number) for number in range(start, min(start + _CHUNK, end + 1))]
            for key, text in zip(keys, self._redis.mget(keys), strict=True):
                yield self._record(key, text)

    def _record(self, key: str, text: bytes | str | None) -> dict[str, Any]:
        try:
            record = json.loads(text) if text is not None else None
        except ValueError:
            record = None
        if not isinstance(record, dict) or "op_code" not in record:
            found = "none" if text is None else repr(text[:40])
            raise BadInputError(
                f"expected a record of trials at the key {key}, found {found}; nothing was changed: restore "
                f"the server's data, or delete the keys {self._prefix}:* to start anew"
            )
        return record
