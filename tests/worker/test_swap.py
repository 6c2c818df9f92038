"""Hot swaps on a real server: between two bars, on record, refused when they can not be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.model.grid import BAR_SECONDS
from tests.market import TestMarket
from tests.worker.engines import arrivals
from tests.worker.test_partition import Bench, LossyRedis, bench
from worker.engine import Engine
from worker.lineup import Lineup
from worker.partition import RefusedError
from worker.step import State

__all__ = ["bench"]


async def said(redis: Any, stream: str) -> list[bytes]:
    return [fields[b"data"] for _, fields in await redis.xrange(stream)]


async def test_bars_before_it_get_the_old_bundle_and_bars_after_it_the_new(
    bench: Bench, rival_market: TestMarket
) -> None:
    old, new = Lineup(bench.market.bundle), Lineup(rival_market.bundle, bench.market.bundle)
    ids = await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition, 5)
    await partition.swap(new)
    await bench.serve(partition)
    stream = arrivals(bench.bars)
    before = Engine(old).run(State(), stream[:5])
    after = Engine(new).run(before.state, stream[5:])
    for name in ("bands.T42", "bands.T60", "shadow.T54"):
        wanted = [e.payload for step in (before, after) for e in step.events if e.stream == name]
        assert await said(bench.redis, name) == wanted
    records = [json.loads(one) for one in await said(bench.redis, "worker.swaps")]
    assert [(r["label"], r["after"]) for r in records] == [
        (bench.market.bundle.label, ""),
        (rival_market.bundle.label, ids[4]),
    ]
    assert partition.lineup is new


async def test_the_same_lineup_again_is_not_recorded_twice(bench: Bench) -> None:
    await bench.feed()
    partition = await bench.owner()
    await bench.serve(partition, 3)
    await partition.swap(Lineup(bench.market.bundle))
    assert len(await said(bench.redis, "worker.swaps")) == 1


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_swap_that_fails_leaves_one_lineup_and_says_which(
    bench: Bench, rival_market: TestMarket, lose: str
) -> None:
    """Recorded or not: every bar is answered by the lineup that is on record for it."""
    new = Lineup(rival_market.bundle)
    await bench.feed()
    lossy = LossyRedis(connection_pool=bench.redis.connection_pool)
    partition = await bench.owner(lossy)
    await bench.serve(partition, 4)
    lossy.lose = lose
    with pytest.raises(RedisConnectionError):
        await partition.swap(new)
    lossy.lose = None
    await bench.serve(partition)
    records = [json.loads(one) for one in await said(bench.redis, "worker.swaps")]
    assert records[-1]["label"] == bench.market.bundle.label
    labels = {json.loads(one)["bundle"] for one in await said(bench.redis, "bands.T42")}
    assert labels == {bench.market.bundle.label}
    await partition.swap(new)
    assert partition.lineup is new


async def test_a_successor_goes_on_with_the_books_it_finds(bench: Bench, rival_market: TestMarket) -> None:
    duel = Lineup(bench.market.bundle, rival_market.bundle)
    await bench.feed()
    partition = await bench.owner()
    await partition.swap(duel)
    await bench.serve(partition, 6)
    heir = await bench.owner()
    await heir.swap(duel)
    await bench.serve(heir)
    whole = Engine(duel).run(State(), arrivals(bench.bars))
    assert await said(bench.redis, "shadow.T42") == [
        e.payload for e in whole.events if e.stream == "shadow.T42"
    ]


async def test_a_bundle_whose_leader_nobody_followed_is_refused(
    bench: Bench, plain_market: TestMarket
) -> None:
    """From no leader to one whose rows ended 100 bars ago."""
    far = bench.market.bundle.leader.last_open_time // BAR_SECONDS
    late = [bar for bar in bench.market.bars(120) if bar.candle.open_time // BAR_SECONDS > far + 100]
    await bench.redis.delete("worker.lease")
    partition = await bench.owner()
    await partition.start(Lineup(plain_market.bundle))
    await bench.feed(late)
    await bench.serve(partition, 100)
    with pytest.raises(RefusedError, match="train it on bars up to now"):
        await partition.swap(Lineup(replace(bench.market.bundle)))
    assert partition.lineup.champion is plain_market.bundle
