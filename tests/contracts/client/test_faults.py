"""What a subscriber is told when the server, the streams or the records are not as they should be."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.client import FilePosition, Gap, NewerSchemaError, TrimmedError, latest, outcomes, subscribe
from contracts.errors import UnavailableError
from contracts.model.grid import HORIZONS
from tests.contracts.client.records import PATIENCE_S, append, band, commit, key, listening, rest, take
from tests.servers import ServerProcess

STREAM = "bands.T42"


@pytest.fixture
def client(redis_url: str) -> Any:
    with Redis.from_url(redis_url) as client:
        yield client


def ids(client: Any, stream: str = STREAM) -> list[str]:
    return [entry.decode() for entry, _ in client.xrange(stream)]


class TestTrimmed:
    """Never a silent gap, and no alarm without one."""

    async def test_a_position_before_the_oldest_entry_kept(self, redis_url: str, client: Any) -> None:
        commit(client, range(10), ["AAA"])
        first, fifth = ids(client)[0], ids(client)[5]
        client.xtrim(STREAM, minid=fifth, approximate=False)
        async with subscribe(redis_url, horizons=(42,), position={STREAM: first}) as bands:
            with pytest.raises(TrimmedError, match=r"bands\.T42.*oldest entry kept") as told:
                await anext(bands)
            assert told.value.gap == Gap(STREAM, first, fifth)
            assert bands.position == {STREAM: first}

    async def test_or_one_asks_to_be_told(self, redis_url: str, client: Any) -> None:
        sent = commit(client, range(10), ["AAA"])
        first, fifth = ids(client)[0], ids(client)[5]
        client.xtrim(STREAM, minid=fifth, approximate=False)
        gaps: list[Gap] = []
        told = subscribe(
            redis_url, horizons=(42,), position={STREAM: first}, on_gap=gaps.append, follow=False
        )
        assert await rest(told) == [k for k in sent if k[2] == 42][5:]
        assert gaps == [Gap(STREAM, first, fifth)]

    async def test_while_a_slow_reader_was_at_work(self, redis_url: str, client: Any) -> None:
        commit(client, range(3), ["AAA"])
        async with subscribe(redis_url, horizons=(42,), start="oldest") as bands:
            await take(bands, 3)
            commit(client, range(3, 10), ["AAA"], maxlen=3)
            with pytest.raises(TrimmedError):
                await anext(bands)

    async def test_a_beginning_that_is_gone(self, redis_url: str, client: Any, tmp_path: Path) -> None:
        """New, said before the first record ever, is kept; what was trimmed since was never seen."""
        file = FilePosition(tmp_path / "position.json")
        assert await rest(subscribe(redis_url, horizons=(42,), position=file, follow=False)) == []
        assert file.load() == {STREAM: "0-0"}
        commit(client, range(5), ["AAA"], maxlen=2)
        async with subscribe(redis_url, horizons=(42,), position=file) as bands:
            with pytest.raises(TrimmedError, match="the beginning"):
                await anext(bands)

    async def test_a_stream_that_is_gone(self, redis_url: str, client: Any) -> None:
        commit(client, range(3), ["AAA"])
        at = ids(client)[-1]
        client.delete(STREAM)
        async with subscribe(redis_url, horizons=(42,), position={STREAM: at}) as bands:
            with pytest.raises(TrimmedError, match="the stream is gone"):
                await anext(bands)

    async def test_a_server_that_was_emptied_under_a_reader(self, redis_url: str, client: Any) -> None:
        commit(client, range(3), ["AAA"])
        async with subscribe(redis_url, horizons=(42,), start="oldest") as bands:
            await take(bands, 3)
            client.flushall()
            commit(client, range(3, 5), ["AAA"])
            with pytest.raises(TrimmedError):
                await anext(bands)

    async def test_trimming_behind_the_reader_is_no_gap(self, redis_url: str, client: Any) -> None:
        async with subscribe(redis_url, horizons=(42,), start="oldest") as bands:
            for bar in range(20):
                sent = commit(client, [bar], ["AAA"], maxlen=3)
                assert await take(bands, 1) == sent[:1]

    async def test_neither_is_an_entry_somebody_deleted(self, redis_url: str, client: Any) -> None:
        sent = commit(client, range(4), ["AAA"])
        at = ids(client)[1]
        client.xdel(STREAM, at)
        told = subscribe(redis_url, horizons=(42,), position={STREAM: at}, follow=False)
        assert await rest(told) == [k for k in sent if k[2] == 42][2:]

    async def test_nor_a_stream_emptied_once_everything_was_read(self, redis_url: str, client: Any) -> None:
        commit(client, range(3), ["AAA"])
        at = ids(client)[-1]
        client.xtrim(STREAM, maxlen=0, approximate=False)
        assert await rest(subscribe(redis_url, horizons=(42,), position={STREAM: at}, follow=False)) == []
        async with subscribe(redis_url, horizons=(42,)) as bands:
            waiting = asyncio.create_task(anext(bands))
            await listening(client, waiting)
            sent = commit(client, [3], ["AAA"])
            assert key(await waiting) == sent[0]

    async def test_a_server_that_lost_its_newest_entries(
        self, redis_url: str, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Records written anew may get ids before the position: it steps back to where the stream ends."""
        commit(client, range(3), ["AAA"])
        ms = int(ids(client)[-1].partition("-")[0])
        ahead = {STREAM: f"{ms + 60_000}-0"}
        async with subscribe(redis_url, horizons=(42,), position=ahead) as bands:
            waiting = asyncio.create_task(anext(bands))
            async with asyncio.timeout(PATIENCE_S):
                while "lost its newest entries" not in caplog.text:
                    await asyncio.sleep(0.005)
            sent = commit(client, [3], ["AAA"])
            assert key(await waiting) == sent[0]
        assert "lost its newest entries" in caplog.text


class TestRecords:
    """What else may be in a stream."""

    async def test_a_newer_schema_is_refused_before_the_position(self, redis_url: str, client: Any) -> None:
        sent = commit(client, range(2), ["AAA"])
        newer = json.dumps({**json.loads(band("AAA", 2, 42).to_wire()), "schema": "band/2"})
        client.xadd(STREAM, {"data": newer})
        async with subscribe(redis_url, horizons=(42,), start="oldest") as bands:
            assert await take(bands, 2) == [k for k in sent if k[2] == 42]
            at = bands.position
            for _ in range(2):
                with pytest.raises(NewerSchemaError, match=r"band/1.*band/2.*upgrade"):
                    await anext(bands)
                assert bands.position == at

    async def test_or_left_out_loudly(
        self, redis_url: str, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        newer = json.dumps({"schema": "band/2", "anything": "else"})
        for _ in range(3):
            client.xadd(STREAM, {"data": newer})
        sent = commit(client, [0], ["AAA"])
        bands = subscribe(redis_url, start="oldest", newer="skip", follow=False)
        assert sorted(await rest(bands)) == sent
        assert bands.skipped == {"newer": 3}
        assert caplog.text.count("band/2") == 1

    async def test_rubbish_is_left_out_and_counted(
        self, redis_url: str, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        rubbish: list[dict[Any, Any]] = [
            {"data": "not JSON"},
            {"data": b"\xff\xfe"},
            {b"\xff": b"\x00"},
            {"data": "[]"},
            {"data": "[" * 100_000},
            {"data": '{"schema": "band/1", "symbol": "AAA"}'},
            {"data": '{"schema": "band/x"}'},
            {"data": '{"schema": 7}'},
            {"data": '{"schema": "bar/2"}'},
        ]
        for fields in rubbish:
            client.xadd(STREAM, fields)
        sent = commit(client, range(2))
        bands = subscribe(redis_url, start="oldest", follow=False)
        assert sorted(await rest(bands)) == sorted(sent)
        assert bands.skipped == {"foreign": len(rubbish)}
        assert bands.position[STREAM] == ids(client)[-1]
        assert caplog.text.count("left out") == 1

    async def test_fields_added_later_are_ignored(self, redis_url: str, client: Any) -> None:
        later = json.dumps({**json.loads(band("AAA", 0, 42).to_wire()), "added_later": {"x": 1}})
        append(client, {STREAM: later.encode()})
        async with subscribe(redis_url, start="oldest") as bands:
            assert await anext(bands) == band("AAA", 0, 42)

    async def test_a_key_that_is_no_stream_is_told(self, redis_url: str, client: Any) -> None:
        client.set(STREAM, "a text")
        async with subscribe(redis_url, start="oldest") as bands:
            with pytest.raises(UnavailableError, match="WRONGTYPE"):
                await anext(bands)


class TestServer:
    """Outages and refusals."""

    async def test_a_server_killed_and_back_again(
        self, crash_server: ServerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        with crash_server.client() as client:
            sent = commit(client, range(3), ["AAA"])
        async with subscribe(crash_server.url, horizons=(42,), start="oldest") as bands:
            got = await take(bands, 3)
            crash_server.kill9()
            waiting = asyncio.create_task(anext(bands))
            async with asyncio.timeout(PATIENCE_S):
                while "trying until it answers" not in caplog.text:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(crash_server.start)
            with crash_server.client() as client:
                sent += commit(client, range(3, 6), ["AAA"])
            async with asyncio.timeout(PATIENCE_S):
                got += [key(await waiting), *await take(bands, 2)]
        assert got == [k for k in sent if k[2] == 42]
        told = [
            r.message for r in caplog.records if r.name == "contracts.client" and r.levelno >= logging.WARNING
        ]
        assert len(told) == 2
        assert "answers again" in told[1]

    async def test_a_cut_connection_is_made_again(self, redis_url: str, client: Any) -> None:
        sent = commit(client, range(6), ["AAA"])
        got = []
        async with subscribe(redis_url, horizons=(42,), start="oldest") as bands:
            for _ in range(3):
                got += await take(bands, 1)
                client.client_kill_filter(_type="normal", skipme=True)
            got += await take(bands, 3)
        assert got == [k for k in sent if k[2] == 42]

    async def test_patience_may_end(self, tmp_path: Path) -> None:
        url = f"unix://{tmp_path}/nobody.sock"
        async with subscribe(url, patience_s=0.3) as bands:
            with pytest.raises(UnavailableError, match=r"within 0\.3 s.*running"):
                await anext(bands)
        with pytest.raises(UnavailableError, match=r"within 0\.1 s"):
            await latest(url, "AAA", patience_s=0.1)

    async def test_a_reader_with_the_least_rights_can_do_all_of_it(self, redis_url: str, client: Any) -> None:
        rights = ["+xread", "+xrange", "+xrevrange", "+xinfo|stream", "+hgetall"]
        client.execute_command(
            "ACL", "SETUSER", "desk", "reset", "on", ">hush-hush", "%R~bands.*", "%R~latest:*", *rights
        )
        client.acl_log_reset()
        try:
            url = redis_url.replace("//", "//desk:hush-hush@")
            sent = commit(client, range(3), ["AAA"])
            client.hset("latest:AAA", "T42", band("AAA", 2, 42).to_wire())
            assert sorted(await rest(subscribe(url, start="oldest", follow=False))) == sorted(sent)
            at = {STREAM: ids(client)[0]}
            client.xdel(STREAM, ids(client)[0])
            assert len(await rest(subscribe(url, horizons=(42,), position={STREAM: "1-0"}, on_gap=print,
                                            follow=False))) == 2  # fmt: skip
            with pytest.raises(TrimmedError):
                await rest(subscribe(url, horizons=(42,), position=at, follow=False))
            assert await rest(subscribe(url, follow=False)) == []
            assert set(await latest(url, "AAA")) == {42}
            # redis-py names itself where it may, and goes on where it may not.
            assert {told["object"] for told in client.acl_log()} <= {"client|setinfo"}
            async with outcomes(url) as told:
                with pytest.raises(UnavailableError, match="XRANGE") as refused:
                    await anext(told)
            assert "hush-hush" not in str(refused.value)
            async with subscribe(url.replace("hush-hush", "guessed")) as bands:
                with pytest.raises(UnavailableError, match="let in") as refused:
                    await anext(bands)
            assert "guessed" not in str(refused.value)
        finally:
            client.acl_deluser("desk")


DESK = """
import asyncio, sys
from contracts.client import FilePosition, subscribe

async def main(url, position, handled):
    async with subscribe(url, start="oldest", position=FilePosition(position)) as bands:
        async for band in bands:
            with open(handled, "a") as book:
                book.write(f"{'/'.join(bands.entry)}\\n")
            await asyncio.sleep(0.002)

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_desk_killed_at_any_moment_misses_nothing(embedded_url: str, tmp_path: Path) -> None:
    kills = 2
    with Redis.from_url(embedded_url) as client:
        commit(client, range(15))
        wanted = {f"bands.T{h}/{entry}" for h in HORIZONS for entry in ids(client, f"bands.T{h}")}
    book = tmp_path / "handled"
    book.touch()
    command = [sys.executable, "-c", DESK, embedded_url, str(tmp_path / "position.json"), str(book)]

    def lines() -> list[str]:
        return book.read_text().splitlines()

    def wait(enough: int, desk: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(lines()) < enough:
            assert desk.poll() is None, "expected the desk to run on, found that it ended"
            assert time.monotonic() < deadline, f"expected {enough} records handled, found {len(lines())}"
            time.sleep(0.001)

    for kill in range(1, kills + 1):
        desk = subprocess.Popen(command)
        wait(len(lines()) + 9 * kill, desk)
        os.kill(desk.pid, signal.SIGKILL)
        desk.wait()
    desk = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while set(lines()) != wanted:
            assert time.monotonic() < deadline, f"expected {len(wanted)}, found {len(set(lines()))}"
            time.sleep(0.01)
    finally:
        desk.kill()
        desk.wait()
    assert len(wanted) <= len(lines()) <= len(wanted) + kills


def test_the_base_install_is_enough() -> None:
    script = (
        "import sys, contracts.client; "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'worker', 'offline', 'ops', 'faststream', 'lightgbm', 'pandas', 'mlflow', 'scipy', 'river'}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "[]"
