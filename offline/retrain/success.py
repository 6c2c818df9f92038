"""When a run last registered a challenger, as `retrain.status` remembers it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from redis.exceptions import ResponseError

from contracts.events import RetrainStatus
from contracts.topics import RETRAIN_STATUS

PAGE = 1_000


async def last_success(redis: Any) -> float:
    """Unix time of the newest `registered` status; 0 when the stream, as far as it is kept, has none.

    A key that is no stream has none either: the first status that can not be appended tells that.
    """
    before = "+"
    while page := await _page(redis, before):
        for _, fields in page:
            try:
                status = RetrainStatus.from_wire(fields.get(b"data", b""))
            except ValidationError:  # of somebody else's
                continue
            if status.stage == "registered":
                return status.at.timestamp()
        before = f"({page[-1][0].decode()}"
    return 0.0


async def _page(redis: Any, before: str) -> Any:
    try:
        return await redis.xrevrange(RETRAIN_STATUS, max=before, count=PAGE)
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        return []
