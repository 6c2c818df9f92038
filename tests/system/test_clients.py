"""Subscribers as they are: the examples on a worker's own output, a cluster, TLS, the AsyncAPI parser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from redis import Redis
from redis.exceptions import RedisError

from contracts.client import FilePosition, latest, subscribe
from contracts.errors import UnavailableError
from contracts.topics import Topics
from ops.embedded import free_port
from tests.behaviour.harness import STEADY, TOPICS, Feed, ServedWorker, wait_in_effect
from tests.cluster import ClusterServers
from tests.contracts.client.records import Key, by_stream, commit, key, rest
from tests.market import TestMarket
from tests.servers import ServerProcess
from worker.asyncapi import document

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TOOLS = ROOT / "tests" / "tools"
PATIENCE_S = 60.0
N_BARS = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Iterator[tuple[str, Any]]:
    """URL of a server with a worker's records, and what the worker serves as its AsyncAPI document."""
    folder = tmp_path_factory.mktemp("served")
    server = ServerProcess("valkey", folder / "server")
    server.start()
    feed = Feed(server.url, market.bars(N_BARS))
    with ServedWorker(server.url, folder, market.folder, **STEADY) as worker:
        worker.wait_ready()
        feed.push(len(feed.bars))
        wait_in_effect(server.client(), feed.last)
        _, body = worker.get("/asyncapi.json")
        yield server.url, json.loads(body)
    server.stop()


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the JavaScript tools installed."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on PATH")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", ".npmrc", "check_asyncapi.mjs"):
        shutil.copy(TOOLS / name, folder)
    install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        pytest.skip(f"npm can not install here: {done.stderr.strip()[-300:]}")
    return folder


def lines_of(command: list[str], url: str, folder: Path, count: int) -> list[str]:
    """The first `count` lines about a symbol that a program prints."""
    env = {**os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found: list[str] = []
        try:
            for line in process.stdout:
                if line.startswith(("AAA ", "BBB ", "{")):
                    found.append(line.rstrip("\n"))
                if len(found) == count:
                    break
        finally:
            process.kill()
    return found


def expected(url: str, horizons: tuple[int, ...]) -> list[list[str]]:
    """Symbol, moment and horizon of every record, in the streams' order."""
    with Redis.from_url(url) as client:
        records = [json.loads(f[b"data"]) for h in horizons for _, f in client.xrange(TOPICS.bands(h))]
    assert len(records) == 2 * N_BARS * len(horizons)
    return [[r["symbol"], r["issued_at"], f"T{r['horizon_bars']}"] for r in records]


def words(line: str) -> list[str]:
    """The same of a printed line."""
    symbol, day, *rest_of_line = line.split()
    if "T" not in day:  # Python prints the moment in two words
        clock, *rest_of_line = rest_of_line
        day = f"{day}T{clock.replace('+00:00', 'Z')}"
    return [symbol, day, rest_of_line[0]]


@pytest.mark.parametrize(
    ("script", "horizons"),
    [("subscribe.py", (42, 60)), ("plain_redis.py", (42,)), ("faststream_app.py", (42,))],
)
def test_python(script: str, horizons: tuple[int, ...], served: tuple[str, Any], tmp_path: Path) -> None:
    url, _ = served
    wanted = expected(url, horizons)
    printed = lines_of([sys.executable, str(EXAMPLES / "python" / script)], url, tmp_path, len(wanted))
    assert sorted(map(words, printed)) == sorted(wanted)
    assert all("q05" in line for line in printed)


def test_redis_cli(served: tuple[str, Any], tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not on PATH")
    url, _ = served
    wanted = expected(url, (42,))
    printed = lines_of([str(EXAMPLES / "redis-cli" / "subscribe.sh")], url, tmp_path, len(wanted))
    records = [json.loads(line) for line in printed]
    assert [[r["symbol"], r["issued_at"], f"T{r['horizon_bars']}"] for r in records] == wanted


def test_javascript(served: tuple[str, Any], node_modules: Path, tmp_path: Path) -> None:
    url, _ = served
    for name in ("subscribe.mjs", "package.json"):
        shutil.copy(EXAMPLES / "javascript" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules / "node_modules")
    versions = [json.loads((d / "package.json").read_text())["dependencies"] for d in (tmp_path, TOOLS)]
    assert versions[0]["redis"] == versions[1]["redis"]
    wanted = expected(url, (42, 60))
    printed = lines_of(["node", "subscribe.mjs"], url, tmp_path, len(wanted))
    assert sorted(map(words, printed)) == sorted(wanted)
    assert all('"q05":' in line for line in printed)
    with Redis.from_url(url) as client:
        newest = {s: client.xinfo_stream(s)["last-generated-id"].decode() for s in ("bands.T42", "bands.T60")}
    (tmp_path / "position.json").write_text(json.dumps({**newest, "bands.T42": "0"}))
    again = lines_of(["node", "subscribe.mjs"], url, tmp_path, len(wanted) // 2)
    assert sorted(map(words, again)) == sorted(expected(url, (42,)))


@pytest.mark.parametrize("partitions", [None, 4])
def test_the_asyncapi_tool_finds_nothing_wrong(
    partitions: int | None, served: tuple[str, Any], node_modules: Path
) -> None:
    """The document a worker serves, and that of one partition of several."""
    content = served[1] if partitions is None else document(Topics(3, partitions))
    check = subprocess.run(
        ["node", "check_asyncapi.mjs"],
        cwd=node_modules,
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(check.stdout)
    assert told["told"] == []
    assert told["version"].startswith("3.")
    topics = Topics() if partitions is None else Topics(3, partitions)
    assert {*topics.all_bands, topics.bars, topics.swaps, "releases", "retrain.status"} < set(
        told["channels"]
    )


def test_the_asyncapi_tool_would_find_something_wrong(served: tuple[str, Any], node_modules: Path) -> None:
    broken = {**served[1], "channels": {"bands": {"messages": {"m": {"$ref": "#/nowhere"}}}}}
    check = subprocess.run(
        ["node", "check_asyncapi.mjs"], cwd=node_modules, input=json.dumps(broken), capture_output=True,
        text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(check.stdout)["told"]


SPREAD = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


async def test_a_cluster_with_a_node_lost_and_found(tmp_path: Path) -> None:
    partitions = 5
    with ClusterServers(tmp_path / "cluster") as cluster:
        client = cluster.client()
        sent = commit(client, range(100), SPREAD, partitions=partitions)
        file = FilePosition(tmp_path / "position.json", every=50)
        got: dict[tuple[str, str], Key] = {}
        async with subscribe(
            cluster.url, SPREAD, start="oldest", position=file, partitions=partitions, cluster=True
        ) as bands:

            async def read_on(enough: Callable[[], bool]) -> None:
                while not enough():
                    record = key(await anext(bands))
                    assert bands.entry is not None
                    assert bands.entry not in got
                    got[bands.entry] = record

            async with asyncio.timeout(PATIENCE_S):
                await read_on(lambda: len(got) == 60)
            node = cluster.node_of(Topics(4, partitions).bands(42))
            node.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10.0):
                    await read_on(lambda: False)
            assert len(got) < len(sent)
            await asyncio.to_thread(node.restart)
            sent += await asyncio.to_thread(_commit_when_formed, cluster, partitions)
            async with asyncio.timeout(PATIENCE_S):
                await read_on(lambda: set(got.values()) == set(sent))
            await bands.acknowledge()
        # What was appended while the cluster mended may have been appended twice.
        once = list(dict.fromkeys(got.values()))
        for symbol in SPREAD:
            told = by_stream(k for k in once if k[0] == symbol)
            assert told == by_stream(k for k in sent if k[0] == symbol)
        whole = subscribe(cluster.url, start="oldest", partitions=partitions, cluster=True, follow=False)
        assert set(await rest(whole)) == set(sent)
        none = subscribe(
            cluster.url, SPREAD, position=file, partitions=partitions, cluster=True, follow=False
        )
        assert set(await rest(none)) <= set(sent[-48:])
        assert await latest(cluster.url, "AAA", partitions=partitions, cluster=True) == {}


def _commit_when_formed(cluster: ClusterServers, partitions: int) -> list[Key]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            client = cluster.client()
            for partition in range(partitions):
                client.exists(Topics(partition, partitions).bands(42))
            return commit(client, range(100, 102), SPREAD, partitions=partitions)
        except (RedisError, OSError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"expected the cluster to be whole again, found {error}") from error
            time.sleep(0.1)


@contextlib.contextmanager
def tls_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """Port and CA file of a server that speaks TLS alone."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not on PATH")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    port = free_port()
    options = ["--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--tls-auth-clients", "no"]
    files = [
        f"--tls-{name}-file={folder / file}" for name, file in (("cert", "cert.pem"), ("key", "key.pem"))
    ]
    named = [part for option in files for part in option.split("=", 1)]
    process = subprocess.Popen(
        [binary, *options, *named, "--save", "", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if process.poll() is not None:
                assert process.stdout is not None
                told = process.stdout.read()
                if "tls-port" in told:
                    pytest.skip("this redis-server was built without TLS")
                raise AssertionError(told)
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield port, folder / "ca.pem"
    finally:
        process.kill()
        process.communicate()


async def test_tls_by_url(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (port, ca):
        url = f"rediss://localhost:{port}?ssl_ca_certs={ca}"
        with Redis.from_url(url) as client:
            sent = commit(client, range(3))
        assert sorted(await rest(subscribe(url, start="oldest", follow=False))) == sorted(sent)
        given = subscribe(
            f"rediss://localhost:{port}", start="oldest", follow=False, options={"ssl_ca_certs": str(ca)}
        )
        assert len(await rest(given)) == len(sent)
        assert set(await latest(url, "AAA")) == set()
        async with subscribe(f"rediss://localhost:{port}") as bands:
            with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await anext(bands)


def test_the_published_schemas_are_in_the_wheel(tmp_path: Path) -> None:
    """A wheel as hatchling builds it, unpacked beside nothing else of the house."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(wheel, folder, "zip")
        published = {file.name for file in (Path(folder) / "contracts" / "schemas").glob("*.json")}
        assert published >= {"bar-1.json", "band-1.json", "outcome-1.json"}
        assert (Path(folder) / "contracts" / "client" / "subscribe.py").is_file()
        script = "from contracts.schemas import schema_file; print(schema_file('band/1').read_text()[:1])"
        told = subprocess.run(
            [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True, timeout=60
        )
    assert told.stdout.strip() == "{"
