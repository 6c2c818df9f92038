"""What a trading system relies on, on real servers: everything, in order, from where it left off."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.client import (
    FilePosition,
    latest,
    latest_sync,
    outcomes,
    outcomes_sync,
    subscribe,
    subscribe_sync,
)
from contracts.errors import BadInputError, UnavailableError
from contracts.model.grid import HORIZONS
from contracts.topics import Topics, partition_of
from tests.contracts.client.records import (
    PATIENCE_S,
    band,
    by_stream,
    commit,
    key,
    listening,
    no_band,
    outcome,
    rest,
    take,
)

SYMBOLS = ("AAA", "BBB")
SPREAD = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


@pytest.fixture
def client(redis_url: str) -> Any:
    with Redis.from_url(redis_url) as client:
        yield client


def now(client: Any) -> datetime:
    """A moment by the server's clock, alone in its millisecond."""
    seconds, micros = client.time()
    time.sleep(0.003)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros // 1_000 * 1_000 + 1_000)


async def test_everything_comes_once_in_the_order_of_each_stream(redis_url: str, client: Any) -> None:
    sent = commit(client, range(700))
    got = await rest(subscribe(redis_url, start="oldest", follow=False))
    assert len(got) == len(sent)
    assert by_stream(got) == by_stream(sent)


async def test_the_horizons_of_a_bar_come_together(redis_url: str, client: Any) -> None:
    """Within the milliseconds a script takes: Redis 7.0 lets the clock run on while one runs."""
    sent = []
    for bar in range(20):
        sent += commit(client, [bar], ["AAA"])
        time.sleep(0.003)
    got = await rest(subscribe(redis_url, start="oldest", follow=False))
    assert [k[:2] for k in got] == [k[:2] for k in sent]
    assert sorted(got) == sent


async def test_a_full_read_cuts_no_bar_apart(
    redis_url: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams ahead of one that was cut off wait for it, even when most of its entries are others'."""
    monkeypatch.setattr("contracts.client.reader.COUNT", 7)
    for _ in range(40):
        client.xadd("bands.T54", {"data": "foreign"})
    sent = []
    for bar in range(20):
        sent += commit(client, [bar], ["AAA"])
        time.sleep(0.003)
    bands = subscribe(redis_url, start="oldest", follow=False)
    got = await rest(bands)
    assert [k[:2] for k in got] == [k[:2] for k in sent]
    assert bands.skipped == {"foreign": 40}


async def test_only_the_symbols_and_horizons_asked_for(redis_url: str, client: Any) -> None:
    sent = commit(client, range(5))
    asked = subscribe(redis_url, ["BBB"], (60, 42), start="oldest", follow=False)
    wanted = [k for k in sent if k[0] == "BBB" and k[2] in (42, 60)]
    assert by_stream(await rest(asked)) == by_stream(wanted)


async def test_no_band_records_come_unless_only_bands_are_wanted(redis_url: str, client: Any) -> None:
    silent = commit(client, range(2), records=no_band)
    spoken = commit(client, range(2, 4))
    both = await rest(subscribe(redis_url, start="oldest", follow=False))
    assert by_stream(both) == by_stream(silent + spoken)
    only = subscribe(redis_url, start="oldest", follow=False, bands_only=True)
    assert by_stream(await rest(only)) == by_stream(spoken)
    assert list(only.position) == [Topics().bands(h) for h in HORIZONS]


@pytest.mark.parametrize("already", [0, 3])
async def test_new_means_from_now_on(redis_url: str, client: Any, already: int) -> None:
    commit(client, range(already))
    async with subscribe(redis_url) as bands:
        first = asyncio.create_task(anext(bands))
        await listening(client, first)
        sent = commit(client, range(already, already + 2))
        async with asyncio.timeout(PATIENCE_S):
            assert by_stream([key(await first), *await take(bands, len(sent) - 1)]) == by_stream(sent)


async def test_a_time_means_what_the_server_received_from_then_on(redis_url: str, client: Any) -> None:
    commit(client, range(3))
    at = now(client)
    sent = commit(client, range(3, 6))
    assert by_stream(await rest(subscribe(redis_url, start=at, follow=False))) == by_stream(sent)
    assert await rest(subscribe(redis_url, start=at + timedelta(days=1), follow=False)) == []
    whole = subscribe(redis_url, start=at - timedelta(days=1), follow=False)
    assert len(await rest(whole)) == 6 * 8


async def test_a_time_without_its_offset_is_refused(redis_url: str) -> None:
    with pytest.raises(BadInputError, match="UTC offset"):
        subscribe(redis_url, start=datetime(2024, 1, 1))
    with pytest.raises(BadInputError, match="'new', 'oldest' or a time"):
        subscribe(redis_url, start="newest")  # type: ignore[arg-type]


async def test_the_position_is_json_and_continues_exactly(redis_url: str, client: Any) -> None:
    sent = commit(client, range(4))
    async with subscribe(redis_url, start="oldest") as bands:
        before = await take(bands, 13)
        kept = json.dumps(bands.position)
    after = await rest(subscribe(redis_url, position=json.loads(kept), follow=False))
    assert by_stream(before + after) == by_stream(sent)


async def test_a_record_handed_out_again_has_the_same_entry(redis_url: str, client: Any) -> None:
    commit(client, range(2))
    seen = []
    for _ in range(2):
        async with subscribe(redis_url, start="oldest") as bands:
            assert bands.entry is None
            seen.append([(key(await anext(bands)), bands.entry) for _ in range(8)])
    assert seen[0] == seen[1]
    assert len({entry for _, entry in seen[0]}) == 8


async def test_a_file_repeats_only_the_record_in_hand(redis_url: str, client: Any, tmp_path: Path) -> None:
    sent = by_stream(commit(client, range(8)))[42]
    file = FilePosition(tmp_path / "position.json")
    async with subscribe(redis_url, horizons=(42,), start="oldest", position=file) as bands:
        first = await take(bands, 5)
    async with subscribe(redis_url, horizons=(42,), position=file) as bands:
        again = await take(bands, 5)
        await bands.acknowledge()
    assert first == sent[:5]
    assert again == sent[4:9]
    assert await rest(subscribe(redis_url, horizons=(42,), position=file, follow=False)) == sent[9:]
    assert await rest(subscribe(redis_url, horizons=(42,), position=file, follow=False)) == []


async def test_new_is_kept_before_the_first_record(redis_url: str, client: Any, tmp_path: Path) -> None:
    file = FilePosition(tmp_path / "position.json")
    commit(client, range(2), ["AAA"])
    async with subscribe(redis_url, position=file) as bands:
        waiting = asyncio.create_task(anext(bands))
        await listening(client, waiting)
        waiting.cancel()
    sent = commit(client, range(2, 4), ["AAA"])
    assert by_stream(await rest(subscribe(redis_url, position=file, follow=False))) == by_stream(sent)


async def test_saving_less_often_repeats_more_and_loses_nothing(
    redis_url: str, client: Any, tmp_path: Path
) -> None:
    sent = by_stream(commit(client, range(16)))[42]
    file = FilePosition(tmp_path / "position.json", every=10)
    async with subscribe(redis_url, horizons=(42,), start="oldest", position=file) as bands:
        await take(bands, 25)
    assert await rest(subscribe(redis_url, horizons=(42,), position=file, follow=False)) == sent[20:]
    assert await rest(subscribe(redis_url, horizons=(42,), position=file, follow=False)) == []


async def test_others_records_move_the_position_too(redis_url: str, client: Any, tmp_path: Path) -> None:
    commit(client, range(3), ["BBB"])
    file = FilePosition(tmp_path / "position.json")
    assert await rest(subscribe(redis_url, ["AAA"], start="oldest", position=file, follow=False)) == []
    newest = {s: client.xinfo_stream(s)["last-generated-id"].decode() for s in Topics().all_bands}
    assert file.load() == newest


async def test_a_wait_given_up_loses_nothing(redis_url: str, client: Any) -> None:
    async with subscribe(redis_url, start="oldest") as bands:
        for bar in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(bands)
            sent = commit(client, [bar])
            async with asyncio.timeout(PATIENCE_S):
                assert sorted(await take(bands, 8)) == sorted(sent)


async def test_several_partitions_of_one_server(redis_url: str, client: Any) -> None:
    sent = commit(client, range(5), SPREAD, partitions=4)
    everything = await rest(subscribe(redis_url, start="oldest", partitions=4, follow=False))
    assert sorted(everything) == sorted(sent)
    for symbol in SPREAD:
        told = [k for k in everything if k[0] == symbol]
        assert by_stream(told) == by_stream(k for k in sent if k[0] == symbol)
    one = subscribe(redis_url, ["CCC"], start="oldest", partitions=4, follow=False)
    assert by_stream(await rest(one)) == by_stream(k for k in sent if k[0] == "CCC")
    topics = Topics(partition_of("CCC", 4), 4)
    assert set(one.position) == set(topics.all_bands)


async def test_a_position_of_another_deployment_is_refused(redis_url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"bands\.T42\.\{1\}.*partitions="):
        subscribe(redis_url, position={"bands.T42.{1}": "1-0"})
    file = FilePosition(tmp_path / "position.json")
    file.save({"bands.T42": "1-0"})
    async with outcomes(redis_url, position=file) as told:
        with pytest.raises(BadInputError, match="a position of its own"):
            await anext(told)


async def test_a_broken_position_file_is_told_with_its_place(redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "position.json"
    for text in ("{", "[]", '{"bands.T42": 5}', '{"bands.T42": "new"}'):
        file.write_text(text)
        async with subscribe(redis_url, position=FilePosition(file)) as bands:
            with pytest.raises(BadInputError, match=r"position\.json"):
                await anext(bands)
        assert file.read_text() == text


async def test_outcomes_come_the_same_way(redis_url: str, client: Any) -> None:
    commit(client, range(3))
    sent = commit(client, range(3), records=outcome)
    got = await rest(outcomes(redis_url, ["AAA"], start="oldest", follow=False))
    assert by_stream(got) == by_stream(k for k in sent if k[0] == "AAA")


async def test_the_newest_can_be_polled(redis_url: str, client: Any) -> None:
    topics = Topics(partition_of("AAA", 4), 4)
    for horizon in HORIZONS:
        client.hset(topics.latest("AAA"), f"T{horizon}", band("AAA", 7, horizon).to_wire())
    newest = await latest(redis_url, "AAA", partitions=4)
    assert newest == {h: band("AAA", 7, h) for h in HORIZONS}
    assert list(newest) == list(HORIZONS)
    assert await latest(redis_url, "BBB", partitions=4) == {}
    client.hset("latest:CCC", "T42", "rubbish")
    with pytest.raises(UnavailableError, match="latest:CCC"):
        await latest(redis_url, "CCC")


def test_without_asyncio(redis_url: str, client: Any, tmp_path: Path) -> None:
    sent = by_stream(commit(client, range(6)))[42]
    file = FilePosition(tmp_path / "position.json")
    with subscribe_sync(redis_url, horizons=(42,), start="oldest", position=file) as bands:
        assert [key(next(bands)) for _ in range(5)] == sent[:5]
        assert bands.entry is not None
        assert bands.position[bands.entry[0]] == bands.entry[1]
        bands.acknowledge()
    with subscribe_sync(redis_url, horizons=(42,), position=file, follow=False) as bands:
        assert [key(record) for record in bands] == sent[5:]
        assert not bands.skipped
    told = commit(client, range(2), ["AAA"], records=outcome)
    with outcomes_sync(redis_url, start="oldest", follow=False) as results:
        assert sorted(key(record) for record in results) == told
    client.hset("latest:AAA", "T42", band("AAA", 7, 42).to_wire())
    assert latest_sync(redis_url, "AAA") == {42: band("AAA", 7, 42)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"symbols": "BTCUSDT"}, "several symbols"),
        ({"symbols": []}, "one or more symbols"),
        ({"symbols": ["btcusdt"]}, "upper-case"),
        ({"horizons": (42, 43)}, "found 43"),
        ({"horizons": ()}, "found none"),
        ({"partitions": 0}, "partitions"),
        ({"position": {"bands.T42": "yesterday"}}, "entry id"),
    ],
)
def test_misuse_is_told_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        subscribe("redis://localhost", **arguments)


def test_a_url_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(BadInputError) as told:
        subscribe("http://desk:secret@localhost")
    assert "rediss://user" in str(told.value)
    assert "secret" not in str(told.value)
