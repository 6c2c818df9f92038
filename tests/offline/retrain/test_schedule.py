"""The monthly request: once, late rather than never, and not before its time."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.events import RetrainRequest
from offline.retrain.schedule import keep_schedule
from tests.offline.retrain.test_desk import REQUESTS, Office


async def test_once_a_month_whatever_restarts(embedded_url: str) -> None:
    office = Office(embedded_url)
    await office.lock.acquire()

    async def at(*when: int) -> bool:
        return await keep_schedule(office.redis, office.desk, REQUESTS, 15, datetime(*when, tzinfo=UTC))

    assert not await at(2026, 1, 20), "installed behind the day: the next month is the first"
    assert not await at(2026, 2, 14, 23, 59)
    assert await at(2026, 2, 15)
    assert not await at(2026, 2, 15), "asked already"
    assert not await at(2026, 3, 14)
    assert await at(2026, 3, 29), "it was down on the day: late rather than never"
    assert not await at(2026, 2, 28), "a clock that went back asks for nothing"
    entries = await office.redis.xrange(REQUESTS)
    asked = [RetrainRequest.from_wire(fields[b"data"]) for _, fields in entries]
    assert [one.id for one in asked] == ["scheduled-2026-02", "scheduled-2026-03"]
    assert {one.requested_by for one in asked} == {"schedule"}
    await office.redis.aclose()


async def test_installed_before_the_day_it_is_made_up_for(embedded_url: str) -> None:
    office = Office(embedded_url)
    await office.lock.acquire()
    for day, due in ((3, False), (17, True)):
        now = datetime(2026, 5, day, tzinfo=UTC)
        assert await keep_schedule(office.redis, office.desk, REQUESTS, 15, now) is due
    await office.redis.aclose()
