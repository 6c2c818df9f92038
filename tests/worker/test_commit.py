"""The commit script's five answers, each on a real server, and that nothing but OK writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.lease import Lease
from contracts.topics import GROUP, Topics
from worker.commit import Answer, Commit, Committer, Retention
from worker.step import Event

TOPICS = Topics()


@dataclass
class Bench:
    """A group with delivered entries, a lease and a committer."""

    redis: Any
    committer: Committer
    lease: Lease
    ids: list[str]

    def commit(self, start: int, stop: int, expected: str = "", **more: Any) -> Commit:
        ids = self.ids[start:stop]
        return Commit(
            ids,
            expected,
            events=[Event("bands.T42", f"band {i}".encode()) for i in ids],
            fields={"BTCUSDT": f"state {ids[-1] if ids else ''}".encode()},
            latest={("BTCUSDT", 42): b"newest"},
            **more,
        )

    async def send(self, commit: Commit, token: str | None = None) -> Answer:
        answer, _ = await self.committer.commit(commit, self.lease.token if token is None else token)
        return answer

    async def dump(self) -> dict[str, Any]:
        """Everything on the server but acknowledgements and the lease's clock."""
        found = {}
        for key in sorted(await self.redis.keys("*")):
            kind = await self.redis.type(key)
            found[key.decode()] = await {
                b"stream": lambda k: self.redis.xrange(k),
                b"hash": lambda k: self.redis.hgetall(k),
                b"string": lambda k: self.redis.get(k),
            }[kind](key)
        return found

    async def pending(self) -> list[str]:
        rows = await self.redis.xpending_range(TOPICS.bars, GROUP, "-", "+", 100)
        return [row["message_id"].decode() for row in rows]

    async def bands(self) -> list[bytes]:
        return [fields[b"data"] for _, fields in await self.redis.xrange("bands.T42")]


@pytest.fixture
async def bench(redis_url: str) -> AsyncIterator[Bench]:
    redis: Any = Redis.from_url(redis_url)
    await redis.xgroup_create(TOPICS.bars, GROUP, id="0", mkstream=True)
    ids = [(await redis.xadd(TOPICS.bars, {"data": str(n)})).decode() for n in range(6)]
    await redis.xreadgroup(GROUP, TOPICS.consumer, {TOPICS.bars: ">"})
    lease = Lease(redis, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
    assert await lease.acquire() is None
    yield Bench(redis, Committer(redis, TOPICS), lease, ids)
    await redis.aclose()


async def test_ok_does_everything_at_once(bench: Bench) -> None:
    assert await bench.send(bench.commit(0, 2)) is Answer.OK
    assert await bench.bands() == [f"band {i}".encode() for i in bench.ids[:2]]
    assert await bench.redis.hgetall(TOPICS.state) == {b"BTCUSDT": f"state {bench.ids[1]}".encode()}
    assert await bench.redis.hget(TOPICS.cursor, "entry") == bench.ids[1].encode()
    assert await bench.redis.hgetall(TOPICS.latest("BTCUSDT")) == {b"T42": b"newest"}
    assert await bench.pending() == bench.ids[2:]


async def test_a_repeated_commit_answers_dup_and_only_acknowledges(bench: Bench) -> None:
    """The reply was lost: the same commit again writes nothing twice."""
    await bench.send(bench.commit(0, 3))
    before = await bench.dump()
    assert await bench.send(bench.commit(0, 3)) is Answer.DUP
    assert await bench.send(bench.commit(1, 2)) is Answer.DUP
    assert await bench.dump() == before
    await bench.redis.xclaim(TOPICS.bars, GROUP, TOPICS.consumer, 0, [bench.ids[0]], force=True)
    assert await bench.send(bench.commit(0, 1)) is Answer.DUP
    assert await bench.pending() == bench.ids[3:]


async def test_a_commit_computed_from_another_cursor_is_stale(bench: Bench) -> None:
    await bench.send(bench.commit(0, 2))
    before = await bench.dump()
    assert await bench.send(bench.commit(2, 3, expected="")) is Answer.STALE
    assert await bench.send(bench.commit(2, 3, expected=bench.ids[0])) is Answer.STALE
    overlapping = bench.commit(1, 3, expected=bench.ids[1])
    assert await bench.send(overlapping) is Answer.STALE
    assert await bench.dump() == before
    assert await bench.pending() == bench.ids[2:]
    assert await bench.send(bench.commit(2, 3, expected=bench.ids[1])) is Answer.OK


async def test_an_entry_the_group_was_never_given_is_stale(bench: Bench) -> None:
    """The server forgot in a power loss that it had handed it out; it will do so again, in order."""
    await bench.send(bench.commit(0, 6))
    later = [(await bench.redis.xadd(TOPICS.bars, {"data": "x"})).decode() for _ in range(2)]
    before = await bench.dump()
    assert await bench.send(Commit([later[1]], bench.ids[-1])) is Answer.STALE
    assert await bench.send(Commit(later, bench.ids[-1])) is Answer.STALE
    assert await bench.dump() == before
    await bench.redis.xreadgroup(GROUP, TOPICS.consumer, {TOPICS.bars: ">"})
    assert await bench.send(Commit(later, bench.ids[-1])) is Answer.OK


async def test_an_earlier_pending_entry_is_a_gap(bench: Bench) -> None:
    before = await bench.dump()
    assert await bench.send(bench.commit(1, 2)) is Answer.GAP
    assert await bench.dump() == before
    assert await bench.pending() == bench.ids


async def test_a_hole_inside_the_run_is_a_gap(bench: Bench) -> None:
    run = Commit([bench.ids[0], bench.ids[2]], "")
    assert await bench.send(run) is Answer.GAP


async def test_an_entry_pending_for_a_stranger_is_a_gap(bench: Bench) -> None:
    await bench.redis.xclaim(TOPICS.bars, GROUP, "stranger", 0, [bench.ids[0]])
    assert await bench.send(bench.commit(1, 3)) is Answer.GAP


async def test_without_the_lease_everything_is_fenced(bench: Bench) -> None:
    before = await bench.dump()
    assert await bench.send(bench.commit(0, 1), token="0:someone") is Answer.FENCED
    assert await bench.dump() == before
    await bench.redis.delete(TOPICS.lease)
    assert await bench.send(bench.commit(0, 1)) is Answer.FENCED
    assert await bench.send(Commit((), "", bundle="swap")) is Answer.FENCED
    assert await bench.bands() == []
    assert await bench.pending() == bench.ids


@pytest.mark.parametrize("key", [TOPICS.cursor, TOPICS.state, "bands.T42", TOPICS.latest("BTCUSDT")])
async def test_a_key_of_the_wrong_type_stops_everything_before_the_first_write(
    bench: Bench, key: str
) -> None:
    await bench.redis.set(key, "not what it should be")
    before = await bench.dump()
    with pytest.raises(ResponseError, match=rf"WRONGTYPE.*{key}.*nothing was written"):
        await bench.send(bench.commit(0, 1))
    assert await bench.dump() == before
    assert await bench.pending() == bench.ids


async def test_a_full_server_refuses_before_the_first_write(bench: Bench) -> None:
    before = await bench.dump()
    await bench.redis.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(ResponseError, match=r"OOM|memory"):
            await bench.send(bench.commit(0, 1))
    finally:
        await bench.redis.config_set("maxmemory", "0")
    assert await bench.dump() == before
    assert await bench.send(bench.commit(0, 1)) is Answer.OK


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_stream_that_takes_no_more_entries_stops_everything(bench: Bench, deleted: bool) -> None:
    planted = await bench.redis.xadd("bands.T42", {"data": "planted"}, id=f"{2**64 - 1}-{2**64 - 1}")
    if deleted:
        await bench.redis.xdel("bands.T42", planted)
    before = await bench.dump()
    with pytest.raises(ResponseError, match="nothing was written"):
        await bench.send(bench.commit(0, 1))
    assert await bench.dump() == before


async def test_ids_beyond_doubles_are_compared_exactly(bench: Bench) -> None:
    big = ["9007199254740992-0", "9007199254740993-0"]
    for entry in big:
        await bench.redis.xadd(TOPICS.bars, {"data": "x"}, id=entry)
    await bench.redis.xreadgroup(GROUP, TOPICS.consumer, {TOPICS.bars: ">"})
    assert await bench.send(bench.commit(0, 6)) is Answer.OK
    assert await bench.send(Commit([big[0]], bench.ids[-1])) is Answer.OK
    assert await bench.send(Commit([big[1]], big[0])) is Answer.OK
    assert await bench.pending() == []


async def test_a_bundle_swap_is_a_commit_of_its_own(bench: Bench) -> None:
    assert await bench.send(Commit((), "", bundle='{"label": "b"}')) is Answer.OK
    assert await bench.redis.hgetall(TOPICS.cursor) == {b"bundle": b'{"label": "b"}'}
    assert await bench.send(Commit((), "9-9", bundle="c")) is Answer.STALE
    under_another = Commit(bench.ids[:1], "", expected_bundle="c")
    assert await bench.send(under_another) is Answer.STALE
    assert await bench.send(Commit(bench.ids[:1], "", expected_bundle='{"label": "b"}')) is Answer.OK
    assert await bench.pending() == bench.ids[1:]


async def test_outputs_are_trimmed_by_count(bench: Bench) -> None:
    committer = Committer(bench.redis, TOPICS, Retention(output_maxlen=100, dead_maxlen=100))
    events = [Event("bands.T42", b"x")] * 1_000
    await committer.commit(Commit(bench.ids, "", events=events), bench.lease.token)
    assert 100 <= await bench.redis.xlen("bands.T42") < 400


class TestLease:
    """Who owns a partition."""

    async def test_a_second_owner_waits(self, bench: Bench) -> None:
        second = Lease(bench.redis, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
        assert await second.acquire() == bench.lease.token
        assert await second.renew() == bench.lease.token
        await bench.lease.release()
        assert await second.acquire() is None
        assert second.epoch == bench.lease.epoch + 1
        assert await bench.lease.renew() == second.token

    async def test_a_lost_reply_does_not_lock_the_owner_out(self, bench: Bench) -> None:
        token = bench.lease.token
        bench.lease.token = ""
        assert await bench.lease.acquire() is None
        assert bench.lease.token == token

    async def test_releasing_another_owners_lease_does_nothing(self, bench: Bench) -> None:
        stranger = Lease(bench.redis, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
        stranger.token = "9:nobody"
        await stranger.release()
        assert await bench.lease.renew() is None

    async def test_what_another_task_took_anew_is_ours(self, bench: Bench) -> None:
        """A renewal that was sent with the old token, and answered after the lease was taken again."""
        first = bench.lease.token
        await bench.redis.delete(TOPICS.lease)
        assert await bench.lease.acquire() is None
        second, bench.lease.token = bench.lease.token, first
        until = bench.lease.until
        assert await bench.lease.renew() is None
        assert bench.lease.token == second != first
        assert bench.lease.until == until, "the server did not extend it"
        assert await bench.lease.renew() is None
        assert until < bench.lease.until <= time.monotonic() + bench.lease.ttl_ms / 1_000

    async def test_it_expires(self, bench: Bench) -> None:
        await bench.lease.release()
        brief = Lease(bench.redis, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
        await brief.acquire()
        assert 0 < await bench.redis.pttl(TOPICS.lease) <= 60_000
