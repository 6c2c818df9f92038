"""One partition on a real server: whatever was lost on the way, the same bytes in the end."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from contracts.events import Bar, DeadLetter
from contracts.lease import Lease
from contracts.topics import GROUP, Topics
from tests.behaviour.harness import Truth
from tests.market import TestMarket
from worker.bars import RawEntry
from worker.health import Health
from worker.lineup import Lineup
from worker.metrics import REGISTRY
from worker.partition import FencedError, Limits, Partition
from worker.store import StateError
from worker.upkeep import Upkeep

TOPICS = Topics()
N_BARS = 12


class LossyRedis(Redis):
    """A client that loses the reply (`after`) or the request (`before`) of the commits it is told to."""

    lose: str | None = None
    error: type[RedisError] = RedisConnectionError

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        is_commit = args[0] == "EVALSHA" and TOPICS.cursor in args
        if is_commit and self.lose == "before":
            raise self.error("lost on the way there")
        answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if is_commit and self.lose == "after":
            raise self.error("lost on the way back")
        return answer


class AwayRedis(Redis):
    """A client whose server does not answer while it is told so."""

    away = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.away:
            raise RedisConnectionError("nobody answers")
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


class CutConnection(Connection):
    """A connection that breaks once, right before the next commit's answer is read."""

    cut_next_commit = False

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        answer = await super().read_response(*args, **kwargs)
        if CutConnection.cut_next_commit and isinstance(answer, list) and answer[:1] == [b"OK"]:
            CutConnection.cut_next_commit = False
            await self.disconnect(nowait=True)
            raise RedisConnectionError("cut before the answer was read")
        return answer


class Bench:
    """A bars stream, its one rightful reader, and partitions that come and go."""

    def __init__(self, redis: Any, market: TestMarket) -> None:
        self.redis = redis
        self.market = market
        self.bars = market.bars(N_BARS // 2)
        self.truth = Truth.of(market.bundle, self.bars)

    async def feed(self, bars: list[Bar] | None = None) -> list[str]:
        chosen = self.bars if bars is None else bars
        return [(await self.redis.xadd(TOPICS.bars, {"data": bar.to_wire()})).decode() for bar in chosen]

    async def owner(self, redis: Any = None, limits: Limits | None = None, **more: Any) -> Partition:
        """Take the lease, whoever holds it, and start."""
        await self.redis.delete(TOPICS.lease)
        client = redis or self.redis
        lease = Lease(client, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
        assert await lease.acquire() is None
        partition = Partition(client, TOPICS, lease, limits=limits, **more)
        await partition.start(Lineup(self.market.bundle))
        return partition

    async def deliver(self, count: int, consumer: str = TOPICS.consumer) -> list[RawEntry]:
        """What a reader is handed: the next entries, pending from now on."""
        reply = await self.redis.xreadgroup(GROUP, consumer, {TOPICS.bars: ">"}, count=count)
        return [(entry.decode(), fields) for entry, fields in reply[0][1]] if reply else []

    async def serve(self, partition: Partition, count: int = N_BARS) -> None:
        if entries := await self.deliver(count):
            await partition.process(entries)

    async def pending(self) -> int:
        return int((await self.redis.xpending(TOPICS.bars, GROUP))["pending"])

    async def dump(self) -> dict[str, Any]:
        streams = {s: await self.redis.xrange(s) for s in (*TOPICS.all_bands, TOPICS.dead)}
        hashes = {k: await self.redis.hgetall(k) for k in (TOPICS.state, TOPICS.cursor)}
        return {**streams, **hashes, "pending": await self.pending()}

    async def dead(self) -> list[DeadLetter]:
        return [DeadLetter.from_wire(f[b"data"]) for _, f in await self.redis.xrange(TOPICS.dead)]

    async def assert_undisturbed(self, truth: Truth | None = None) -> None:
        wanted = truth or self.truth
        for stream, payloads in wanted.streams.items():
            assert [f[b"data"] for _, f in await self.redis.xrange(stream)] == payloads
        assert await self.redis.hgetall(TOPICS.state) == wanted.state
        for key, record in wanted.latest.items():
            assert await self.redis.hgetall(key) == record
        assert await self.dead() == []
        assert await self.pending() == 0


@pytest.fixture
async def bench(redis_url: str, market: TestMarket) -> AsyncIterator[Bench]:
    redis: Any = Redis.from_url(redis_url)
    yield Bench(redis, market)
    await redis.aclose()


def answers(answer: str) -> float:
    return REGISTRY.get_sample_value("bands_commits_total", {"answer": answer}) or 0.0


async def test_a_successor_takes_over_what_a_dead_owner_left_pending(bench: Bench) -> None:
    await bench.feed()
    dead = await bench.owner()
    await bench.serve(dead, 3)
    await bench.deliver(4)  # handed to the owner, who died with them
    assert await bench.pending() == 4
    successor = await bench.owner()
    assert await bench.pending() == 0
    await bench.serve(successor)
    await bench.assert_undisturbed()


async def test_what_is_pending_after_an_outage_in_the_start_is_answered_by_the_lineup(
    bench: Bench, redis_url: str
) -> None:
    await bench.feed()
    dead = await bench.owner()
    await bench.serve(dead, 3)
    await bench.deliver(4)
    client: Any = AwayRedis.from_url(redis_url)
    lease = Lease(client, TOPICS.lease, TOPICS.epoch, ttl_ms=60_000)
    successor = Partition(client, TOPICS, lease)
    client.away = True
    with pytest.raises(RedisConnectionError):
        await successor.start(Lineup(bench.market.bundle))
    client.away = False
    await bench.redis.delete(TOPICS.lease)
    assert await lease.acquire() is None
    await successor.resume()  # what keeping the lease does, before the start is tried again
    await bench.serve(successor)
    await client.aclose()
    await bench.assert_undisturbed()


async def test_a_lease_that_ran_out_while_starting_is_taken_again_unless_it_is_anothers(bench: Bench) -> None:
    await bench.feed()
    partition = await bench.owner()
    first = partition.lease.token
    upkeep = Upkeep(partition, partition.lease, Health(30.0), 1.0)
    await bench.redis.delete(TOPICS.lease)
    await bench.redis.delete(TOPICS.cursor)  # the lineup is not on record: starting writes
    await upkeep.start(Lineup(bench.market.bundle))
    assert partition.lease.epoch == int(first.split(":")[0]) + 1
    assert (await bench.redis.get(TOPICS.lease)).decode() == partition.lease.token
    await bench.serve(partition)
    await bench.assert_undisturbed()
    await bench.redis.set(TOPICS.lease, "9:another")
    await bench.redis.hdel(TOPICS.cursor, "bundle")
    with pytest.raises(FencedError, match="found 9:another"):
        await upkeep.start(Lineup(bench.market.bundle))


async def test_entries_pending_under_foreign_names_are_claimed_in_order(bench: Bench) -> None:
    await bench.feed()
    await bench.owner()
    for consumer in ("stray", TOPICS.consumer, "other"):
        await bench.deliver(3, consumer)
    successor = await bench.owner()
    await bench.serve(successor)
    await bench.assert_undisturbed()


@pytest.mark.parametrize("error", [RedisConnectionError, RedisTimeoutError])
@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_lost_commit_doubles_nothing(
    bench: Bench, redis_url: str, lose: str, error: type[RedisError]
) -> None:
    lossy: Any = LossyRedis.from_url(redis_url)
    lossy.error = error
    partition = await bench.owner(lossy)
    await bench.feed()
    await bench.serve(partition, 3)
    lossy.lose = lose
    with pytest.raises(error):
        await bench.serve(partition, 2)
    lossy.lose = None
    assert await bench.pending() == (2 if lose == "before" else 0)
    await bench.serve(partition, 3)
    lossy.lose = lose
    with pytest.raises(error):
        await bench.serve(partition)
    lossy.lose = None
    await partition.sweep()
    await lossy.aclose()
    await bench.assert_undisturbed()


async def test_a_retried_commit_answers_dup(bench: Bench, redis_url: str) -> None:
    """The client itself sends a commit again whose answer it never read."""
    pool = ConnectionPool.from_url(redis_url, connection_class=CutConnection, retry=Retry(NoBackoff(), 3))
    client: Any = Redis.from_pool(pool)
    partition = await bench.owner(client)
    await bench.feed()
    before = answers("DUP")
    for count in (4, 3, 5):
        CutConnection.cut_next_commit = True
        await bench.serve(partition, count)
    assert not CutConnection.cut_next_commit
    assert answers("DUP") == before + 3
    await client.aclose()
    await bench.assert_undisturbed()


async def test_a_hole_is_filled_in_order(bench: Bench) -> None:
    """Entry 2 was delivered and its reply lost; then entry 3 arrives."""
    await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition, 1)
    await bench.deliver(1)
    before = answers("GAP")
    await bench.serve(partition, 1)
    assert answers("GAP") == before + 1
    assert await bench.pending() == 0
    await bench.serve(partition)
    await bench.assert_undisturbed()


async def test_bars_in_hand_that_a_power_loss_took_back_wait_for_those_before_them(bench: Bench) -> None:
    """The server is back where it was before it handed out anything, and a sweep has noticed."""
    ids = await bench.feed(bench.bars[:6])
    partition = await bench.owner()
    await bench.serve(partition, 2)
    forgotten = await bench.deliver(2)
    in_hand = await bench.deliver(2)
    await bench.redis.xgroup_setid(TOPICS.bars, GROUP, ids[1])
    await bench.redis.xack(TOPICS.bars, GROUP, *ids[2:])
    await bench.redis.xdel(TOPICS.bars, *ids[4:])
    await partition.sweep()
    await partition.process(in_hand)
    assert [entry for entry, _ in await bench.deliver(9)] == [entry for entry, _ in forgotten]
    await partition.process(forgotten)
    await bench.feed(bench.bars[2:])  # the feed sends its last bars again
    await bench.serve(partition, 100)
    await bench.assert_undisturbed()


async def test_a_cursor_moved_by_another_writer_is_stale(bench: Bench) -> None:
    await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition, 2)
    twin = Partition(bench.redis, TOPICS, partition.lease)  # a second writer under the very same token
    await twin.start(Lineup(bench.market.bundle))
    await bench.serve(twin, 3)
    before = answers("STALE")
    await bench.serve(partition, 2)
    assert answers("STALE") == before + 1
    await bench.serve(twin)
    await bench.assert_undisturbed()


@pytest.mark.parametrize("owner", ["7:someone", None])
async def test_without_the_lease_nothing_is_written(bench: Bench, owner: str | None) -> None:
    await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition, 3)
    entries = await bench.deliver(3)
    await bench.redis.delete(TOPICS.lease)
    if owner:
        await bench.redis.set(TOPICS.lease, owner)
    before = await bench.dump()
    for attempt in (partition.process(entries), partition.sweep(), partition.resume()):
        with pytest.raises(FencedError, match=owner or "no owner"):
            await attempt
    assert await bench.dump() == before


async def test_two_owners_race_and_only_the_leases_holder_writes(bench: Bench) -> None:
    rng = random.Random(4)
    await bench.feed()
    partitions = [await bench.owner(), await bench.owner()]
    while entries := await bench.deliver(rng.randint(1, 3)):
        holder = rng.randrange(2)
        await bench.redis.delete(TOPICS.lease)
        assert await partitions[holder].lease.acquire() is None
        results = await asyncio.gather(*(p.process(entries) for p in partitions), return_exceptions=True)
        assert results[holder] is None
        assert isinstance(results[1 - holder], FencedError)
    await bench.assert_undisturbed()


@pytest.mark.parametrize("remove", ["xdel", "xtrim"])
async def test_a_trimmed_entry_is_told_and_never_blocks(bench: Bench, remove: str) -> None:
    ids = await bench.feed(bench.bars[:4])
    await bench.owner()
    await bench.deliver(2)
    if remove == "xdel":
        await bench.redis.xdel(TOPICS.bars, ids[1])
        gone = ids[1:2]
    else:
        await bench.redis.xtrim(TOPICS.bars, minid=ids[2], approximate=False)
        gone = ids[:2]
    successor = await bench.owner()
    await bench.serve(successor)
    letters = await bench.dead()
    assert [(letter.reason, letter.entry) for letter in letters] == [("trimmed", entry) for entry in gone]
    assert await bench.pending() == 0
    assert await bench.redis.xlen("bands.T42") == 4 - len(gone)
    assert successor.cursor == ids[-1]


async def test_entries_a_stranger_read_and_that_are_gone_are_told_too(bench: Bench) -> None:
    """Claiming would drop them from the pending list without a word."""
    await bench.redis.xgroup_create(TOPICS.bars, GROUP, id="0", mkstream=True)
    ids = await bench.feed()
    await bench.deliver(3, consumer="stray")
    await bench.deliver(3)
    await bench.deliver(3, consumer="stray")
    gone = [ids[1], ids[2], ids[8]]
    await bench.redis.xdel(TOPICS.bars, *gone)
    partition = await bench.owner(limits=Limits(batch_max=2))
    await bench.serve(partition)
    assert [(letter.reason, letter.entry) for letter in await bench.dead()] == [("trimmed", i) for i in gone]
    assert await bench.pending() == 0
    left = Truth.of(
        bench.market.bundle, [bar for i, bar in zip(ids, bench.bars, strict=True) if i not in gone]
    )
    for stream, payloads in left.streams.items():
        assert [f[b"data"] for _, f in await bench.redis.xrange(stream)] == payloads


async def test_bars_are_trimmed_up_to_the_cursor_and_never_beyond(bench: Bench) -> None:
    bars = bench.market.bars()
    ids = await bench.feed(bars)
    partition = await bench.owner(limits=Limits(bars_retention_s=0))
    await bench.serve(partition, 450)
    await partition.sweep()
    kept = [entry.decode() for entry, _ in await bench.redis.xrange(TOPICS.bars)]
    assert len(kept) < len(bars)
    assert kept[0] <= partition.cursor
    assert set(ids[450:]) <= set(kept)
    await bench.serve(partition, len(bars))
    await bench.assert_undisturbed(Truth.of(bench.market.bundle, bars))


async def test_young_bars_are_kept(bench: Bench) -> None:
    ids = await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition)
    await partition.sweep()
    assert await bench.redis.xlen(TOPICS.bars) == len(ids)


async def test_restarts_anywhere_change_no_byte(bench: Bench) -> None:
    rng = random.Random(9)
    bars = bench.market.bars(60)
    await bench.feed(bars)
    while True:
        partition = await bench.owner(limits=Limits(batch_max=rng.choice([1, 3, 100])))
        await bench.serve(partition, rng.randint(1, 9))
        if not await bench.deliver(rng.randint(1, 5)):
            break
    await bench.owner()
    await bench.assert_undisturbed(Truth.of(bench.market.bundle, bars))


async def test_a_bundle_is_recorded_once_and_when_it_changes(bench: Bench, plain_market: TestMarket) -> None:
    async def record() -> tuple[str, str]:
        told = json.loads(await bench.redis.hget(TOPICS.cursor, "bundle"))
        return told["label"], told["after"]

    await bench.feed()
    partition = await bench.owner()
    first = (bench.market.bundle.label, "")
    assert await record() == first
    await bench.serve(partition, 2)
    again = await bench.owner()
    assert await record() == first
    await again.start(Lineup(plain_market.bundle))
    assert await record() == (plain_market.bundle.label, again.cursor)


@pytest.mark.parametrize("field", ["AAA", "_leader:AAA"])
@pytest.mark.parametrize("blob", [b"", b"rubbish", b"QBS1\x05\x00\x00\x00hello"])
async def test_unreadable_state_is_refused_in_a_sentence(bench: Bench, field: str, blob: bytes) -> None:
    await bench.feed()
    await bench.serve(await bench.owner())
    await bench.redis.hset(TOPICS.state, field, blob)
    before = await bench.dump()
    with pytest.raises(StateError, match=r"expected snapshots .*worker\.state, found: .*or delete"):
        await bench.owner()
    assert await bench.dump() == before


async def test_a_lost_group_is_told(bench: Bench) -> None:
    partition = await bench.owner()
    await bench.redis.xgroup_destroy(TOPICS.bars, GROUP)
    with pytest.raises(ResponseError, match="NOGROUP"):
        await partition.sweep()
