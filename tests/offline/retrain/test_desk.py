"""The scripts of a run on a real server: both or neither, once, under the lock alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.events import RetrainRequest, RetrainStatus
from contracts.lease import Lease
from contracts.topics import (
    RETRAIN_ACCEPTED,
    RETRAIN_CONSUMER,
    RETRAIN_ENDED,
    RETRAIN_EPOCH,
    RETRAIN_GROUP,
    RETRAIN_LEASE,
    RETRAIN_RUN,
    RETRAIN_STATUS,
    Topics,
)
from offline.retrain.desk import Answer, Desk
from offline.retrain.fenced import FencedError
from offline.retrain.inbox import Inbox
from offline.retrain.requests import Entry

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY_MS = 86_400_000
REQUESTS = Topics().retrain


class Office:
    """One retrainer's lock, desk and inbox."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.redis: Any = Redis.from_url(url)
        self.lock = Lease(self.redis, RETRAIN_LEASE, RETRAIN_EPOCH, 60_000)
        self.desk = Desk(self.redis, self.lock, 1_000)
        self.inbox = Inbox(self.redis, [Topics(p, partitions) for p in range(partitions)])

    async def deliver(self, run_id: str, stream: str = REQUESTS, entry: str = "*", **more: Any) -> Entry:
        await self.inbox.ensure_groups()
        request = RetrainRequest(id=run_id, at=NOW, requested_by="t", reason="r", **more)
        await self.redis.xadd(stream, {"data": request.to_wire()}, id=entry)
        reply = await self.redis.xreadgroup(RETRAIN_GROUP, RETRAIN_CONSUMER, {stream: ">"})
        ((entry_id, fields),) = reply[0][1]
        return Entry(stream, entry_id.decode(), fields)

    async def begin(self, entry: Entry, run_id: str, **more: Any) -> tuple[Answer, str]:
        request = RetrainRequest(id=run_id, at=NOW, requested_by="t", reason="r", **more)
        return await self.desk.begin(entry, request, "c1", status(run_id, "accepted"), DAY_MS)

    async def told(self) -> list[RetrainStatus]:
        entries = await self.redis.xrange(RETRAIN_STATUS)
        return [RetrainStatus.from_wire(fields[b"data"]) for _, fields in entries]

    async def pending(self, stream: str = REQUESTS) -> int:
        return int((await self.redis.xpending(stream, RETRAIN_GROUP))["pending"])


def status(run_id: str, stage: str, progress: float = 0.0) -> RetrainStatus:
    return RetrainStatus.model_validate({"id": run_id, "at": NOW, "stage": stage, "progress": progress})


@pytest.fixture
async def office(redis_url: str) -> AsyncIterator[Office]:
    made = Office(redis_url)
    assert await made.lock.acquire() is None
    yield made
    await made.redis.aclose()


async def test_a_run_from_acceptance_to_its_end(office: Office) -> None:
    entry = await office.deliver("r1")
    assert await office.begin(entry, "r1") == (Answer.STARTED, "1")
    assert await office.begin(entry, "r1") == (Answer.RESUMED, "2"), "a lost reply, or a crash"
    for progress, answer in ((0.2, Answer.OK), (0.2, Answer.OLD), (0.1, Answer.OLD), (0.4, Answer.OK)):
        assert await office.desk.progress(status("r1", "tuning", progress)) is answer
    assert await office.begin(entry, "r1") == (Answer.RESUMED, "1"), "it moved: starts count anew"
    assert await office.desk.end(entry, status("r1", "registered", 1.0)) is Answer.OK
    assert await office.desk.end(entry, status("r1", "registered", 1.0)) is Answer.GONE
    assert await office.desk.progress(status("r1", "gates", 0.9)) is Answer.GONE
    assert [(s.stage, s.progress) for s in await office.told()] == [
        ("accepted", 0.0), ("tuning", 0.2), ("tuning", 0.4), ("registered", 1.0),
    ]  # fmt: skip
    assert await office.pending() == 0
    assert not await office.redis.exists(RETRAIN_RUN)


async def test_a_stage_that_begins_where_the_last_one_ended_is_told_once(office: Office) -> None:
    await office.begin(await office.deliver("r1"), "r1")
    for stage, progress, answer in (
        ("training", 0.9, Answer.OK),
        ("training", 0.94, Answer.OK),
        ("gates", 0.94, Answer.OK),
        ("gates", 0.94, Answer.OLD),
        ("training", 0.94, Answer.OLD),
        ("gates", 0.96, Answer.OK),
    ):
        assert await office.desk.progress(status("r1", stage, progress)) is answer
    told = [(s.stage, s.progress) for s in await office.told()]
    assert told[1:] == [("training", 0.9), ("training", 0.94), ("gates", 0.94), ("gates", 0.96)]


async def test_an_id_has_one_final_status_however_often_it_is_sent(office: Office) -> None:
    first, again = await office.deliver("r1"), await office.deliver("r1")
    await office.begin(first, "r1")
    await office.desk.end(first, status("r1", "failed"))
    assert (await office.begin(again, "r1"))[0] is Answer.ENDED
    third = await office.deliver("r1")
    assert await office.desk.end(third, status("r1", "skipped")) is Answer.ENDED
    assert [s.stage for s in await office.told()] == ["accepted", "failed"]
    assert await office.pending() == 0


async def test_the_cooldown_holds_for_its_bundle_unless_forced(office: Office) -> None:
    first = await office.deliver("r1")
    await office.begin(first, "r1")
    await office.desk.end(first, status("r1", "failed"))
    second = await office.deliver("r2")
    answer, detail = await office.begin(second, "r2")
    assert (answer, detail.split()[1]) == (Answer.COOLDOWN, "r1")
    assert [s.id for s in await office.told()] == ["r1", "r1"]
    assert (await office.begin(second, "r2", force=True))[0] is Answer.STARTED
    seconds, _ = await office.redis.time()
    await office.redis.hset(RETRAIN_ACCEPTED, "c1", f"{seconds * 1_000 - DAY_MS - 1_000} r2")
    third = await office.deliver("r3")
    assert (await office.begin(third, "r3"))[0] is Answer.STARTED, "the cooldown is over"


@pytest.mark.parametrize("broken", [RETRAIN_STATUS, RETRAIN_ENDED])
async def test_final_status_and_acknowledgement_are_both_or_neither(office: Office, broken: str) -> None:
    entry = await office.deliver("r1")
    await office.begin(entry, "r1")
    await office.redis.delete(broken)
    await office.redis.set(broken, "of another type")
    with pytest.raises(ResponseError, match="WRONGTYPE expected"):
        await office.desk.end(entry, status("r1", "registered", 1.0))
    assert await office.pending() == 1
    assert await office.redis.exists(RETRAIN_RUN)
    await office.redis.delete(broken)
    assert await office.desk.end(entry, status("r1", "registered", 1.0)) is Answer.OK
    assert await office.pending() == 0


async def test_without_the_lock_nothing_is_written(office: Office, redis_url: str) -> None:
    entry = await office.deliver("r1")
    await office.begin(entry, "r1")
    other = Office(redis_url)
    assert await other.lock.acquire() == office.lock.token
    await office.redis.delete(RETRAIN_LEASE)
    assert await other.lock.acquire() is None
    assert int(other.lock.token.split(":")[0]) > int(office.lock.token.split(":")[0])
    before = await office.told()
    for act in (
        lambda: office.begin(entry, "r1"),
        lambda: office.desk.progress(status("r1", "tuning", 0.5)),
        lambda: office.desk.end(entry, status("r1", "registered", 1.0)),
        lambda: office.desk.raise_once(REQUESTS, "2026-11", None),
    ):
        with pytest.raises(FencedError, match=r"found 2:"):
            await act()
    assert await office.lock.renew() == other.lock.token
    await office.lock.release()
    assert await other.lock.renew() is None, "only the holder releases it"
    assert (await office.told(), await office.pending()) == (before, 1)
    await other.redis.aclose()


async def test_a_lock_that_ran_out_and_is_nobodys_is_taken_again(office: Office) -> None:
    entry = await office.deliver("r1")
    await office.begin(entry, "r1")
    await office.redis.delete(RETRAIN_LEASE)
    assert await office.desk.progress(status("r1", "tuning", 0.5)) is Answer.OK
    assert office.lock.epoch == 2
    await office.redis.delete(RETRAIN_LEASE)
    assert await office.desk.end(entry, status("r1", "registered", 1.0)) is Answer.OK
    assert (await office.redis.get(RETRAIN_LEASE)).decode() == office.lock.token
    assert [one.stage for one in await office.told()] == ["accepted", "tuning", "registered"]


async def test_the_run_in_progress_comes_first_then_the_oldest_of_all_partitions(redis_url: str) -> None:
    office = Office(redis_url, partitions=2)
    await office.lock.acquire()
    one, two = Topics(0, 2).retrain, Topics(1, 2).retrain
    younger = await office.deliver("r1", one, "5-0")
    older = await office.deliver("r2", two, "3-0")
    assert (await office.inbox.next()) == older
    await office.begin(younger, "r1")
    assert (await office.inbox.next()) == younger
    await office.desk.end(younger, status("r1", "registered", 1.0))
    assert (await office.inbox.next()) == older
    assert await office.inbox.waiting() == 1
    await office.redis.xdel(two, "3-0")
    trimmed = await office.inbox.next()
    assert trimmed == Entry(two, "3-0", None)
    await office.redis.aclose()


async def test_what_was_read_under_another_name_is_claimed(office: Office) -> None:
    await office.inbox.ensure_groups()
    await office.inbox.ensure_groups()
    await office.redis.xadd(REQUESTS, {"data": b"{}"})
    await office.redis.xreadgroup(RETRAIN_GROUP, "stray", {REQUESTS: ">"})
    assert await office.inbox.next() is None
    assert await office.inbox.inherit() == 1
    assert (await office.inbox.next()) is not None
