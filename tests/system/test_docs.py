"""The commands of README and docs, run for real: page after page, block after block, in one workspace.

A block is left out only where the comment before it says `not run` and why; `run with` makes numbers smaller.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from contracts.events import Band
from contracts.model.candle import History
from offline.market import MarketSpec, simulate
from ops.embedded import EmbeddedServer, free_port
from ops.embedded.binary import server_binary
from tests.behaviour.harness import wait_until
from tests.docs.pages import ROOT, SHELLS, TESTED_BY, Block, blocks_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400), pytest.mark.xdist_group("docs")]

PAGES_IN_ORDER = ("README.md", "docs/quant.md", "docs/ops.md")
"""What one publishes the next serves."""
START = 1_561_939_200  # 2019-07-01: two and a half years to tune on before 2022
BARS = 1_702 * 6  # to the end of February 2024
BLOCK_S = 1_200.0
START_S = 120.0
PORTS = {"8200": "exchange", "8100": "worker", "8102": "feed", "8110": "dashboard"}
ANSWERS = {"exchange": "/api/v3/time", "worker": "/ready", "feed": "/ready", "dashboard": "/"}


@dataclass
class Workspace:
    """A folder with bars in it, an embedded server that every command shares, and ports of its own."""

    folder: Path
    server: EmbeddedServer
    ports: dict[str, int]
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        return {
            **own,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "120",
            "BANDS_WORKER__HTTP_PORT": str(self.ports["worker"]),
            "BANDS_FEED__HTTP_PORT": str(self.ports["feed"]),
            "BANDS_DASHBOARD__PORT": str(self.ports["dashboard"]),
            "BANDS_DASHBOARD__WORKERS": f"http://127.0.0.1:{self.ports['worker']}",
        }

    def script(self, block: Block) -> str:
        """The block with this workspace's ports, and smaller where its comment says so."""
        text = block.body
        for swap in (block.told("run with") or "").split("|"):
            if "=>" in swap:
                old, new = (part.strip() for part in swap.split("=>"))
                assert old in text, f"{block.where}: expected {old!r} in the block"
                text = text.replace(old, new)
        for port, name in PORTS.items():
            text = re.sub(rf"\b{port}\b", str(self.ports[name]), text)
        return f'redis-cli() {{ command redis-cli -p {self.server.port} "$@"; }}\n{text}'

    def run(self, block: Block) -> None:
        command = ["bash", "-eo", "pipefail", "-c", self.script(block)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=BLOCK_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what a block leaves behind ends with it
        assert process.returncode == 0, f"{block.where}\n{block.body}\n{said[-4_000:]}"

    def serve(self, block: Block, name: str) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as told:
            words = "exec " + " ".join(self.script(block).splitlines()[1:])
            self.services.append(
                subprocess.Popen(
                    ["bash", "-c", words], cwd=self.folder, env=self.env, stdout=told, stderr=told
                )
            )
        url = f"http://127.0.0.1:{self.ports[name]}{ANSWERS[name]}"

        def serves() -> bool:
            code = self.services[-1].poll()
            assert code is None, f"{block.where} ended with {code}: {log.read_text()[-3_000:]}"
            return _answer(url)[0] == 200

        try:
            wait_until(serves, f"{name} serves {url}", START_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; {_answer(url)}; {log.read_text()[-3_000:]}") from None

    def end_services(self) -> None:
        for process in reversed(self.services):
            process.terminate()
        for process in self.services:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.services.clear()


def _answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("docs")
    market = simulate(MarketSpec(), ("BTCUSDT",), BARS, START, seed=11)
    _write(folder / "binance_BTCUSDT_4h.parquet", market.histories["BTCUSDT"])
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    with EmbeddedServer(folder / "var" / "server") as server:
        yield Workspace(folder, server, {name: free_port() for name in PORTS.values()})


def _write(file: Path, history: History) -> None:
    import pandas as pd

    names = ("open_time", "open", "high", "low", "close", "volume")
    frame = pd.DataFrame({name: getattr(history, name) for name in names})
    frame["open_time"] = pd.to_datetime(frame["open_time"], unit="s", utc=True)
    frame.to_parquet(file)


def test_the_commands_of_the_pages_run_in_order(workspace: Workspace) -> None:
    _tear_a_log(workspace.folder / "torn")
    left_out = [told for name in PAGES_IN_ORDER for told in _run_page(name, workspace)]
    if left_out:
        pytest.skip("; ".join(left_out))
    _check_the_log_is_whole(workspace.folder / "torn")


def _run_page(name: str, workspace: Workspace) -> list[str]:
    """The blocks that a missing tool left out."""
    left_out = []
    try:
        for block in blocks_of(ROOT / name):
            if block.kind not in SHELLS or block.told("not run") is not None:
                continue
            if (service := block.told("service")) is not None:
                workspace.serve(block, service)
                if service == "dashboard":
                    _wait_for_a_band(workspace.server.url)
            elif (tool := _missing_tool(block)) is not None:
                left_out.append(f"{tool} is not on PATH: {block.where} is not run")
            else:
                workspace.run(block)
    finally:
        workspace.end_services()
    return left_out


def test_no_other_page_has_commands_that_nobody_runs() -> None:
    run = {*PAGES_IN_ORDER, *TESTED_BY}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for block in blocks_of(page):
            if block.page not in run and block.kind in SHELLS:
                assert block.told("not run") is not None, f"{block.where}: expected its page in this test"


def test_a_snapshot_is_restored_as_the_page_says(workspace: Workspace, tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not on PATH")
    with Redis.from_url(workspace.server.url) as client:
        client.set("kept", "1")
    snapshot = tmp_path / "restored" / "bands.rdb"
    snapshot.parent.mkdir()
    port = str(workspace.server.port)
    subprocess.run(
        ["redis-cli", "-p", port, "--rdb", str(snapshot)], check=True, capture_output=True, timeout=60
    )
    options = ["--dir", str(snapshot.parent), "--dbfilename", snapshot.name, "--save", ""]
    with _server([*options, "--appendonly", "no"]) as client:
        assert client.get("kept") == b"1"
        client.config_set("appendonly", "yes")
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the log is written")
        wait_until(lambda: client.info("persistence")["aof_enabled"] == 1, "the log is on")
    with _server([*options, "--appendonly", "yes"]) as client:
        assert client.get("kept") == b"1"


@contextlib.contextmanager
def _server(options: list[str]) -> Iterator[Redis]:
    port = free_port()
    command = [str(server_binary()), "--port", str(port), "--bind", "127.0.0.1", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = Redis(port=port)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except RedisError:
            return False

    try:
        wait_until(answers, "the server answers")
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)


def _missing_tool(block: Block) -> str | None:
    tools = ("redis-cli", "redis-check-aof")
    return next((tool for tool in tools if tool in block.body and shutil.which(tool) is None), None)


def _wait_for_a_band(url: str) -> None:
    """The feed has back-filled, and the first live bars are answered."""
    with Redis.from_url(url) as client:

        def newest_is_a_band() -> bool:
            newest = client.xrevrange("bands.T42", count=1)
            return bool(newest) and Band.from_wire(newest[0][1][b"data"]).is_band

        wait_until(newest_is_a_band, "a band of a live bar", START_S)


def _tear_a_log(folder: Path) -> None:
    """A log of Redis 7 that ends in the middle of a transaction."""
    binary = shutil.which("redis-server")
    if binary is None:
        return
    folder.mkdir()
    port = free_port()
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--save",
        "",
    ]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port) as client:

            def written() -> bool:
                try:
                    return bool(client.set("whole", "1"))
                except RedisError:
                    return False

            wait_until(written, "Redis 7 answers")
    finally:
        process.terminate()
        process.wait(30)
    log = next((folder / "appendonlydir").glob("*.incr.aof"))
    with log.open("ab") as told:
        told.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$1\r\n1\r\n")


def _check_the_log_is_whole(folder: Path) -> None:
    if folder.is_dir():
        log = next((folder / "appendonlydir").glob("*.incr.aof")).read_bytes()
        assert b"whole" in log
        assert b"MULTI" not in log
