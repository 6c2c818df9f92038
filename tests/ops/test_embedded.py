"""The embedded server: shared, persistent, never orphaned, and never the end of a stranger."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from ops.embedded import EmbeddedServer, EmbeddedServerError, free_port
from ops.embedded.binary import server_binary
from ops.embedded.command import server_command
from ops.embedded.identity import pid_behind
from ops.embedded.record import ServerRecord, read_record
from tests.servers import ServerProcess

LAUNCHER = """
import sys
from ops.embedded import EmbeddedServer
with EmbeddedServer(sys.argv[1]) as server:
    print(server.pid, server.port, server.owned, flush=True)
    sys.stdin.readline()
"""
PATIENCE_S = 60.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Launcher:
    """Another process that uses the embedded server."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> Launcher:
        assert self.process.stdout is not None
        pid, port, owned = self.process.stdout.readline().split()
        self.pid, self.port, self.owned = int(pid), int(port), owned == "True"
        return self

    def leave(self) -> int:
        self.process.communicate("\n", timeout=20)
        return self.process.returncode

    def kill9(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Callable[[], Launcher]]:
    made: list[Launcher] = []

    def launch() -> Launcher:
        made.append(Launcher(tmp_path / "server"))
        return made[-1]

    yield launch
    for one in made:
        if one.process.poll() is None:
            one.kill9()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "server"


def guard_of(server: EmbeddedServer) -> psutil.Process:
    guard = psutil.Process(server.pid).parent()
    assert guard is not None
    assert "guard.py" in " ".join(guard.cmdline())
    return guard


def test_starts_on_loopback_and_stops(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        client = Redis.from_url(server.url, decode_responses=True)
        assert client.ping()
        config = client.config_get("bind", "protected-mode", "appendonly", "appendfsync", "save", "dir")
        assert config == {
            "bind": "127.0.0.1",
            "protected-mode": "yes",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "dir": str(folder.resolve()),
        }
        pid, guard = server.pid, guard_of(server)
    assert gone(pid)
    assert gone(guard.pid)
    with pytest.raises(EmbeddedServerError, match="to be started"):
        _ = server.url


def test_data_and_port_survive_a_stop(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        Redis.from_url(server.url).set("k", "v")
        port = server.port
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).get("k") == b"v"
        assert server.port == port


def test_data_survives_kill_9_of_the_server(folder: Path) -> None:
    with EmbeddedServer(folder, appendfsync="always") as server:
        client = Redis.from_url(server.url)
        client.xadd("s", {"n": 1})
        client.xgroup_create("s", "g", id="0")
        client.xreadgroup("g", "c", {"s": ">"})
        url, pid = server.url, server.pid
        server.kill()
        assert gone(pid)
        server.restart()
        assert (server.url, server.pid != pid) == (url, True)
        assert Redis.from_url(url).xpending("s", "g")["pending"] == 1
        pid = server.pid
    assert gone(pid)


def test_restart_of_a_running_server_keeps_port_and_data(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        Redis.from_url(server.url).set("k", "v")
        port = server.port
        server.restart()
        assert server.port == port
        assert Redis.from_url(server.url).get("k") == b"v"


def test_a_long_and_awkward_path_works(tmp_path: Path) -> None:
    folder = tmp_path / "with space 'quote\" and ünïcode" / ("long" * 40)
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).ping()


def test_the_last_of_several_users_ends_the_server(folder: Path, launcher: Callable[[], Launcher]) -> None:
    first = launcher().ready()
    second = launcher().ready()
    assert (first.owned, second.owned) == (True, False)
    assert (first.pid, first.port) == (second.pid, second.port)
    assert first.leave() == 0  # the one that started it goes first
    assert Redis(port=second.port).ping()
    with EmbeddedServer(folder) as third:
        assert third.pid == second.pid
        second.kill9()
        assert Redis(port=second.port).ping()
    assert gone(first.pid)


def test_two_in_one_process_share(folder: Path) -> None:
    with EmbeddedServer(folder) as one:
        with EmbeddedServer(folder) as two:
            assert (two.pid, two.owned) == (one.pid, False)
        assert Redis.from_url(one.url).ping()
        with pytest.raises(EmbeddedServerError, match="drop the port or use another folder"):
            EmbeddedServer(folder, free_port()).start()
    one.close()


def test_a_restart_by_an_attached_user_is_seen_by_the_first(folder: Path) -> None:
    with EmbeddedServer(folder) as one, EmbeddedServer(folder) as two:
        two.kill()
        two.restart()
        assert one.pid == two.pid
        one.restart()
        assert Redis.from_url(two.url).ping()
        pid = one.pid
    assert gone(pid)


def test_two_launchers_at_once_start_one_server(launcher: Callable[[], Launcher]) -> None:
    both = [launcher(), launcher()]
    (pid,) = {one.ready().pid for one in both}
    assert sorted(one.owned for one in both) == [False, True]
    assert [one.leave() for one in both] == [0, 0]
    assert eventually(lambda: gone(pid))


def test_many_threads_come_and_go(folder: Path) -> None:
    failures: list[BaseException] = []

    def visit() -> None:
        try:
            for _ in range(3):
                with EmbeddedServer(folder) as server:
                    Redis.from_url(server.url).incr("visits")
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).get("visits") == b"12"


def test_kill_9_of_the_launcher_ends_the_server(folder: Path, launcher: Callable[[], Launcher]) -> None:
    first = launcher().ready()
    Redis(port=first.port).set("k", "v")
    first.kill9()
    assert eventually(lambda: gone(first.pid))
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).get("k") == b"v"


def test_a_child_forked_by_a_killed_launcher_does_not_keep_the_server(folder: Path) -> None:
    script = (
        "import os, sys, time\nfrom ops.embedded import EmbeddedServer\n"
        "server = EmbeddedServer(sys.argv[1]); server.start()\nchild = os.fork()\n"
        "if child == 0: server.close(); os.close(1); time.sleep(60)\n"
        "print(server.pid, child, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    pid, child = map(int, parent.stdout.readline().split())
    try:
        assert Redis(port=read_record(folder).port).ping()  # type: ignore[union-attr]
        parent.kill()
        parent.wait()
        assert eventually(lambda: gone(pid))
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def test_kill_9_of_guard_and_launcher_leaves_nothing(folder: Path, launcher: Callable[[], Launcher]) -> None:
    first = launcher().ready()
    guard = psutil.Process(first.pid).parent()
    assert guard is not None
    guard.kill()
    first.kill9()
    assert eventually(lambda: gone(guard.pid))
    with EmbeddedServer(folder) as server:
        assert server.pid != first.pid
        assert gone(first.pid)


def test_a_server_left_without_a_guard_is_ended_at_the_next_start(folder: Path) -> None:
    # What macOS keeps when guard and launcher are both killed; Linux ends such a server by itself.
    folder.mkdir()
    port, token = free_port(), "left-behind"
    command = server_command(server_binary(), port, token, "always")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as orphan:
        try:
            assert eventually(lambda: pid_behind(port, token) == orphan.pid)
            ServerRecord(pid=orphan.pid, port=port, token=token).write(folder)
            Redis(port=port).set("k", "v")
            with EmbeddedServer(folder) as server:
                assert orphan.wait(5) is not None
                assert server.port == port
                assert Redis.from_url(server.url).get("k") == b"v"
        finally:
            orphan.kill()


def test_a_stranger_with_the_recorded_pid_and_port_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    with (
        socket.create_server(("127.0.0.1", free_port())) as listener,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger,
    ):
        port = listener.getsockname()[1]
        ServerRecord(pid=stranger.pid, port=port, token="t" * 32).write(folder)
        with EmbeddedServer(folder) as server:
            assert server.port != port
        assert stranger.poll() is None
        stranger.kill()


def test_a_garbled_record_is_no_obstacle(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.json").write_text('{"pid": ')
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).ping()


def test_a_taken_port_is_named(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", free_port())) as listener,
        pytest.raises(EmbeddedServerError, match=f"port {listener.getsockname()[1]} .* found it taken"),
    ):
        EmbeddedServer(folder, listener.getsockname()[1]).start()


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match=r"Expected a folder that can be written at .*file"):
        EmbeddedServer(tmp_path / "file" / "server").start()


def test_a_server_that_dies_at_start_shows_its_log(folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended at once with code 1.*no-such-option"):
        EmbeddedServer(folder, extra={"no-such-option": "1"}).start()
    with EmbeddedServer(folder) as server:
        assert Redis.from_url(server.url).ping()


def test_a_corrupt_log_of_writes_is_not_started_from(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        Redis.from_url(server.url).set("k", "v")
    (log,) = (folder / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"rubbish" + log.read_bytes())
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended at once.*Bad file format"):
        EmbeddedServer(folder).start()


def test_a_server_that_stays_silent_is_given_up(folder: Path) -> None:
    silent = folder.parent / "silent"
    silent.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    silent.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="none that answers after"):
        EmbeddedServer(folder, binary=silent, start_timeout_s=0.5).start()
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(silent) in (p.info["cmdline"] or [])]


def test_a_platform_without_a_binary_is_told_of_redis_url(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(EmbeddedServerError, match=r"found none: .*--redis-url"):
        EmbeddedServer(folder).start()


def test_the_suite_servers_start_empty(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    assert client.dbsize() == 0
    client.set("left", "behind")


def test_a_crash_server_comes_back_with_its_data(crash_server: ServerProcess) -> None:
    crash_server.client().set("k", "v")
    url = crash_server.url
    crash_server.kill9()
    crash_server.start()
    assert crash_server.url == url
    assert crash_server.client().get("k") == b"v"
