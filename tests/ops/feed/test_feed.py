"""What arrives on the streams when an exchange behaves, and when it does not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from contracts.connect import connect
from contracts.model.grid import BAR_SECONDS
from contracts.topics import FEED_EPOCH, FEED_INTENT, FEED_LEASE, FEED_SENT, Topics, partition_of
from ops.feed.metrics import LATE, MISSING, REFUSED, REVISED
from tests.ops.feed.rig import BEFORE, SYMBOLS, Rig, at, bar_open
from tests.servers import ServerProcess


def counted(counter: Any) -> float:
    """The sum over symbols."""
    return sum(s.value for metric in counter.collect() for s in metric.samples if s.name.endswith("_total"))


@pytest.mark.parametrize("dialect", ["binance", "bitstamp"])
async def test_history_first_then_live_in_order_of_close_and_name(dialect: str, embedded_url: str) -> None:
    async with Rig(embedded_url, dialect=dialect) as rig:
        await rig.look(2)
        for number in range(BEFORE, BEFORE + 3):
            await rig.close_bar(number)
        bars = rig.bars()
        assert [(b.candle.open_time, b.symbol) for b in bars] == sorted(
            (b.candle.open_time, b.symbol) for b in bars
        )
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)
        live = [b for b in bars if b.origin == "live"]
        assert {b.candle.open_time for b in live} == {bar_open(n) for n in range(BEFORE - 1, BEFORE + 3)}
        assert rig.health.problems() == []


async def test_a_candle_in_progress_or_not_yet_settled_is_never_sent(embedded_url: str) -> None:
    async with Rig(embedded_url, settle_s=2.0) as rig:
        await rig.look()
        rig.clock.set(at(BEFORE + 1) - 6.0)  # one second before the close
        await rig.look(3)
        assert rig.candles("BTCUSDT")[-1].open_time == bar_open(BEFORE - 1)
        rig.clock.set(at(BEFORE + 1) - 4.0)  # one second after it
        await rig.look(3)
        assert rig.candles("BTCUSDT")[-1].open_time == bar_open(BEFORE - 1)
        rig.clock.set(at(BEFORE + 1) - 3.0)
        await rig.look(3)
        assert rig.candles("BTCUSDT") == rig.truth("BTCUSDT")


async def test_a_late_candle_is_asked_for_again_and_sent_in_order(embedded_url: str) -> None:
    async with Rig(embedded_url, "late=0.5:3600") as rig:
        before = counted(LATE)
        for number in range(BEFORE - 1, BEFORE + 8):
            await rig.close_bar(number)
            rig.clock.set(rig.clock.now() + 3_700)
            await rig.look(lambda: all(rig.candles(s) == rig.truth(s) for s in SYMBOLS))
        assert counted(LATE) > before


async def test_a_missing_candle_is_passed_over_after_the_grace(embedded_url: str) -> None:
    async with Rig(embedded_url, "missing=0.3", grace_s=600.0) as rig:
        before = counted(MISSING)
        for number in range(BEFORE - 1, BEFORE + 10):
            await rig.close_bar(number)
        rig.clock.set(rig.clock.now() + 700)
        await rig.look(3)
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)
        gone = sum(
            n not in {c.open_time for c in rig.truth(s)}
            for s in SYMBOLS
            for n in range(rig.truth(s)[0].open_time, bar_open(BEFORE + 10), BAR_SECONDS)
        )
        assert counted(MISSING) - before == gone > 0


async def test_a_candle_passed_over_is_still_sent_before_the_next(embedded_url: str) -> None:
    async with Rig(embedded_url, "late=1:7200", grace_s=600.0) as rig:
        await rig.look()
        missing = counted(MISSING)
        rig.clock.set(at(BEFORE + 1) + 1_000)
        await rig.look(lambda: counted(MISSING) > missing)
        assert rig.candles("BTCUSDT")[-1].open_time < bar_open(BEFORE)
        rig.clock.set(at(BEFORE + 1) + 7_300)
        await rig.look(lambda: rig.candles("BTCUSDT") == rig.truth("BTCUSDT"))


async def test_a_revised_candle_is_counted_and_never_sent_again(embedded_url: str) -> None:
    async with Rig(embedded_url, "revised=1:3600") as rig:
        await rig.look()
        before = counted(REVISED)
        for number in range(BEFORE, BEFORE + 4):
            await rig.close_bar(number)
        opens = [c.open_time for c in rig.candles("BTCUSDT")]
        assert opens == sorted(set(opens))
        assert rig.candles("BTCUSDT")[-4:] == rig.truth("BTCUSDT")[-4:]
        # Four bars, the newest not yet revised, and the one of the start.
        assert counted(REVISED) - before == 2 * 4


async def test_a_partial_candle_is_refused_and_sent_once_it_is_whole(embedded_url: str) -> None:
    async with Rig(embedded_url, "partial=1:600") as rig:
        await rig.look()
        before = counted(REFUSED)
        await rig.close_bar(BEFORE)
        assert counted(REFUSED) > before
        assert rig.candles("BTCUSDT")[-1].open_time < bar_open(BEFORE)
        rig.clock.set(rig.clock.now() + 700)
        await rig.look(lambda: all(rig.candles(s) == rig.truth(s) for s in SYMBOLS))


@pytest.mark.parametrize("fault", ["http429=0.07", "http500=0.3", "http503=0.3", "drop=0.3", "garbage=0.3"])
async def test_failing_requests_lose_and_double_nothing(fault: str, embedded_url: str) -> None:
    async with Rig(embedded_url, fault, seed=2) as rig:
        await rig.look()
        for number in range(BEFORE, BEFORE + 3):
            await rig.close_bar(number)
        assert rig.market.faults.happened
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)


async def test_an_exchange_that_hangs_is_asked_again(embedded_url: str) -> None:
    async with Rig(embedded_url, "timeout=0.3:2", seed=3, timeout_s=0.3) as rig:
        await rig.look()
        for number in range(BEFORE, BEFORE + 3):
            await rig.close_bar(number)
        assert rig.market.faults.happened.get("timeout")
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)


@pytest.mark.parametrize("seed", [11, 12])
async def test_a_mix_of_every_fault(seed: int, embedded_url: str) -> None:
    """Exactly the exchange's closed candles, in order, each once, none partial, missing ones absent."""
    kinds = ("late=0.2:3000", "missing=0.05", "revised=0.1:2000", "partial=0.1:900")
    requests = ("http500=0.05", "drop=0.05", "garbage=0.05")
    async with Rig(embedded_url, *kinds, *requests, seed=seed) as rig:
        draw = random.Random(seed)
        await rig.look()
        while rig.clock.now() < at(BEFORE + 10):
            rig.clock.set(rig.clock.now() + draw.choice((400, 3_000, 9_000)))
            await rig.look(draw.choice((1, 2)))
            if draw.random() < 0.1:
                await rig.restart()
        rig.clock.set(at(BEFORE + 12) + 3_500)
        await rig.look(lambda: all(rig.candles(s) == _first_served(rig, s) for s in SYMBOLS))


def _first_served(rig: Rig, symbol: str) -> list[Any]:
    """The truth, where a bar of the back-fill or first seen after its revision may be the revised one."""
    from ops.mock_exchange.market import revised

    arrived = {candle.open_time: candle for candle in rig.candles(symbol)}
    return [
        arrived[candle.open_time] if arrived.get(candle.open_time) == revised(candle) else candle
        for candle in rig.truth(symbol)
    ]


async def test_after_an_outage_it_goes_on_from_the_last_bar_sent(embedded_url: str) -> None:
    async with Rig(embedded_url) as rig:
        await rig.look()
        assert rig.client.hget(FEED_SENT, "BTCUSDT") == b"2024-01-05T20:00:00Z"
        rig.clock.set(at(BEFORE + 10))
        await rig.restart()
        await rig.look(2)
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)
        new = rig.bars("BTCUSDT")[BEFORE:]
        assert [bar.origin for bar in new] == ["backfill"] * 9 + ["live"]


async def test_the_first_start_goes_back_so_many_days(embedded_url: str) -> None:
    async with Rig(embedded_url, backfill_days=2.0) as rig:
        await rig.look()
        assert [c.open_time for c in rig.candles("BTCUSDT")] == [bar_open(n) for n in range(18, BEFORE)]


async def test_history_longer_than_a_page(embedded_url: str) -> None:
    async with Rig(embedded_url, backfill_days=400.0) as rig:
        rig.clock.set(at(390))
        import ops.feed.history as history

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(history, "PAGE", 70)
            await rig.look()
        for symbol in SYMBOLS:
            assert rig.candles(symbol) == rig.truth(symbol)
            assert len(rig.candles(symbol)) == 390


class _LosesReplies:
    """A client whose chosen command is carried out, and its reply lost."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self.lose: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        command = getattr(self._redis, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await command(*args, **kwargs)
            if self.lose.get(name, 0) > 0:
                self.lose[name] -= 1
                raise RedisConnectionError("lost")
            return answer

        return call if name in ("xadd", "eval", "set", "hgetall", "get") else command


@pytest.mark.parametrize("command", ["xadd", "eval", "set"])
async def test_a_lost_reply_repeats_the_same_bytes_even_when_the_candle_was_revised(
    command: str, embedded_url: str
) -> None:
    redis = _LosesReplies(connect(embedded_url, protocol=2))
    async with Rig(embedded_url, "revised=1:100", redis=redis) as rig:
        await rig.look()
        rig.clock.set(at(BEFORE + 1))
        redis.lose = {command: 1}
        with pytest.raises(RedisConnectionError):
            await rig.feed.cycle()
        rig.clock.set(at(BEFORE + 1) + 200)  # revised meanwhile
        await rig.look(3)
        new = [bar for bar in rig.bars("BTCUSDT") if bar.candle.open_time == bar_open(BEFORE)]
        assert new[0].candle == rig.truth("BTCUSDT")[-1]
        assert len({bar.to_wire() for bar in new}) == 1
        assert len(new) == (2 if command == "xadd" else 1)


async def test_with_partitions_each_bar_goes_home_and_the_leaders_everywhere(embedded_url: str) -> None:
    async with Rig(embedded_url, partitions=4, leader="BTCUSDT") as rig:
        await rig.look()
        home = {symbol: partition_of(symbol, 4) for symbol in SYMBOLS}
        for number in range(4):
            arrived = rig.bars(stream=Topics(number, 4).bars)
            own = {bar.symbol for bar in arrived if bar.role is None}
            assert own == {symbol for symbol in SYMBOLS if home[symbol] == number}
            context = [bar for bar in arrived if bar.role == "context"]
            assert {bar.symbol for bar in context} == ({"BTCUSDT"} - own)
            assert len(context) in (0, BEFORE)


async def test_the_feeds_role_suffices(crash_server: ServerProcess) -> None:
    commands = "+xadd +get +set +eval +evalsha +script|load +hget +hset +hgetall +pexpire +incr +del"
    rules = f"on >secret resetkeys ~feed.* %W~bars.4h* -@all {commands}"
    crash_server.client().execute_command("ACL", "SETUSER", "feed", *rules.split())
    url = crash_server.url
    redis = connect(url, protocol=2, username="feed", password="secret")
    async with Rig(url, redis=redis) as rig:
        from contracts.lease import Lease

        lease = Lease(redis, FEED_LEASE, FEED_EPOCH, 60_000)
        assert await lease.acquire() is None
        assert await lease.renew() is None
        await rig.look(2)
        await lease.release()
        assert rig.candles("BTCUSDT") == rig.truth("BTCUSDT")


async def test_a_server_without_memory_of_what_was_sent_gets_it_again(redis_url: str) -> None:
    async with Rig(redis_url) as rig:
        await rig.look()
        rig.client.delete(FEED_SENT)
        await rig.look()
        assert set(rig.candles("BTCUSDT")) == set(rig.truth("BTCUSDT"))


async def test_what_a_failover_forgot_between_two_closes_is_sent_again(embedded_url: str) -> None:
    async with Rig(embedded_url) as rig:
        await rig.look()
        sent, intent = rig.client.hgetall(FEED_SENT), rig.client.get(FEED_INTENT)
        last = rig.client.xrevrange(Topics().bars, count=1)[0][0]
        await rig.close_bar(BEFORE)
        for entry, _ in rig.client.xrange(Topics().bars, min=b"(" + last):
            rig.client.xdel(Topics().bars, entry)
        rig.client.delete(FEED_SENT)
        rig.client.hset(FEED_SENT, mapping=sent)
        rig.client.set(FEED_INTENT, intent)
        await rig.look(2)
        await rig.close_bar(BEFORE + 1)
        assert rig.candles("BTCUSDT") == rig.truth("BTCUSDT")


async def test_a_partition_that_is_away_costs_only_its_own_symbols(embedded_url: str) -> None:
    async with Rig(embedded_url, partitions=4, leader=SYMBOLS[0]) as rig:
        home = {symbol: Topics(partition_of(symbol, 4), 4).bars for symbol in SYMBOLS}
        lost, served = SYMBOLS
        assert home[lost] != home[served]
        await rig.look()
        before = rig.client.dump(home[lost])
        rig.client.set(home[lost], "its node is away")
        for number in (BEFORE, BEFORE + 1):
            rig.clock.set(at(number + 1))
            for _ in range(3):
                with pytest.raises(RedisError):
                    await rig.feed.cycle()
        arrived = [bar.candle.open_time for bar in rig.bars(served, home[served])]
        assert arrived == sorted(set(arrived)), "nothing twice"
        assert arrived[-1] == bar_open(BEFORE + 1)
        rig.client.delete(home[lost])
        rig.client.restore(home[lost], 0, before)
        await rig.look()
        caught_up = [bar.candle.open_time for bar in rig.bars(lost, home[lost])]
        assert caught_up[-2:] == [bar_open(BEFORE), bar_open(BEFORE + 1)]
        assert caught_up == sorted(set(caught_up))
