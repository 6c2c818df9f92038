"""The outcomes streams as the scoreboard sees them: what is new since the last look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis

from contracts.events import Outcome
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from worker.scoreboard import Scoreboard

FIRST_LOOK = 10_000
"""Entries of each stream read at a start: 90 days of 18 symbols."""

PAGE = 1_000


def _read(fields: Mapping[bytes, bytes]) -> Outcome | None:
    """An outcome, or None for an entry that somebody else wrote."""
    try:
        return Outcome.from_wire(fields.get(b"data", b""))
    except ValidationError:
        return None


class OutcomesStream:
    """One partition's outcomes, read once each."""

    def __init__(self, redis: Redis, topics: Topics) -> None:
        self._redis: Any = redis
        self._after: dict[str, bytes | None] = {topics.outcomes(horizon): None for horizon in HORIZONS}

    async def refresh(self, board: Scoreboard) -> None:
        """Add what was appended since the last call."""
        for stream, after in self._after.items():
            if after is None:
                page = (await self._redis.xrevrange(stream, count=FIRST_LOOK))[::-1]
            else:
                page = await self._redis.xrange(stream, min=b"(" + after, count=PAGE)
            if page:
                board.add(one for _, fields in page if (one := _read(fields)) is not None)
                self._after[stream] = page[-1][0]
