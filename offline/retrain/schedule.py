"""The monthly request, by the server's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.events import RetrainRequest
from contracts.topics import RETRAIN_SCHEDULED
from offline.retrain.desk import Desk

NO_MONTH = "0000-00"
"""What is noted before the first day came: from then on a day missed is made up for."""


def scheduled(now: datetime, day: int, *, is_first: bool) -> RetrainRequest | None:
    """What to ask for in the month of `now` (UTC): its request once the day has come, None before.

    A retrainer that was down on the day asks late. The very first (`is_first`: no month was ever seen)
    does not make up for a day before its time.

    >>> from datetime import UTC
    >>> scheduled(datetime(2026, 11, 3, tzinfo=UTC), 2, is_first=False).id
    'scheduled-2026-11'
    """
    if now.day < day or (is_first and now.day > day):
        return None
    return RetrainRequest(
        id=f"scheduled-{now:%Y-%m}", at=now, requested_by="schedule", reason=f"monthly, on day {day}"
    )


async def keep_schedule(redis: Any, desk: Desk, stream: str, day: int, now: datetime) -> bool:
    """Raise the month's request on `stream` when it is due and has not been; True when it was now.

    Raises:
        FencedError: the lock is not ours.
    """
    seen: bytes | None = await redis.get(RETRAIN_SCHEDULED)
    month = f"{now:%Y-%m}"
    if seen is not None and seen.decode() >= month:
        return False
    request = scheduled(now, day, is_first=seen is None)
    if request is None and now.day < day:
        if seen is None:
            await desk.raise_once(stream, NO_MONTH, None)
        return False
    return await desk.raise_once(stream, month, request) and request is not None
