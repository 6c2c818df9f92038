"""Promises 4, 6 and 7: health tells the truth, and every end has a code and a sentence."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, RELEASES, RETRAIN_STATUS
from tests.behaviour.harness import STEADY, TOPICS, Feed, ServedWorker, payloads, wait_in_effect, wait_until
from tests.market import TestMarket
from tests.servers import ServerProcess

QUICKLY_S = 120.0
"""Ends take about a second; a machine under load gets more."""


def test_not_ready_before_the_lease_ready_with_it(
    embedded_url: str, market: TestMarket, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    client.set(TOPICS.lease, "9:someone", px=600_000)
    with ServedWorker(embedded_url, tmp_path, market.folder, **STEADY) as worker:
        worker.wait_problem("lease: held by 9:someone")
        assert worker.get("/health")[0] == 200
        assert "bundle: none in force" in worker.problems()
        client.delete(TOPICS.lease)
        worker.wait_ready()
        status, body = worker.get("/ready")
        told = json.loads(body)
        assert status == 200
        assert told["problems"] == []
        assert told["bundle"] == market.bundle.label
        assert told["bundle_sha256"] == market.bundle.sha256
        assert told["lease"] == client.get(TOPICS.lease).decode()
        assert worker.stop() == 0


def test_not_ready_without_a_registry(embedded_url: str, tmp_path: Path) -> None:
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri="http://127.0.0.1:1") as worker:
        worker.wait_problem("bundle: none in force")
        assert worker.get("/health")[0] == 200
        assert worker.stop() == 0


def test_a_stopped_server_is_told_and_survived(
    crash_server: ServerProcess, market: TestMarket, tmp_path: Path
) -> None:
    client: Any = crash_server.client()
    feed = Feed(crash_server.url, market.bars(10))
    with ServedWorker(crash_server.url, tmp_path, market.folder) as worker:
        worker.wait_ready()
        feed.push(10)
        wait_in_effect(client, feed.last)
        crash_server.kill9()
        worker.wait_problem("reader: ")
        worker.wait_problem("lease: ")
        assert worker.get("/health")[0] == 200
        crash_server.start()
        worker.wait_ready()
        feed.push(10)
        wait_in_effect(client, feed.last)
        assert worker.stop() == 0
    assert client.xlen("bands.T42") == 20
    assert len(worker.told().splitlines()) < 60, "expected calm logs"


def test_a_flushed_server_ends_the_worker(redis_url: str, market: TestMarket, tmp_path: Path) -> None:
    client: Any = Redis.from_url(redis_url)
    with ServedWorker(redis_url, tmp_path, market.folder) as worker:
        worker.wait_ready()
        client.flushall()
        assert worker.wait(QUICKLY_S) == 70
    assert "lost its consumer group" in worker.told()


def test_a_stolen_lease_ends_the_worker_without_another_write(
    redis_url: str, market: TestMarket, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(redis_url)
    feed = Feed(redis_url, market.bars())
    with ServedWorker(redis_url, tmp_path, market.folder, BANDS_STREAM__BATCH_MAX="1") as worker:
        worker.wait_ready()
        feed.push(400)
        wait_until(lambda: client.xlen("bands.T42"), "the first record")
        with client.pipeline(transaction=True) as pipe:
            pipe.set(TOPICS.lease, "99:thief")
            pipe.xlen("bands.T60")
            pipe.hgetall(TOPICS.cursor)
            pipe.hgetall(TOPICS.state)
            _, *before = pipe.execute()
        assert worker.wait(QUICKLY_S) == 75
    assert [client.xlen("bands.T60"), client.hgetall(TOPICS.cursor), client.hgetall(TOPICS.state)] == before
    assert client.get(TOPICS.lease) == b"99:thief"
    assert "expected to own worker.lease, found 99:thief" in worker.told()


def test_an_altered_bundle_never_serves(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    folder = shutil.copytree(market.folder, tmp_path / "altered")
    forest = folder / "forest.npz"
    data = bytearray(forest.read_bytes())
    data[len(data) // 2] ^= 1
    forest.write_bytes(data)
    with ServedWorker(embedded_url, tmp_path, folder) as worker:
        assert worker.wait(QUICKLY_S) == 3
    assert "of forest.npz in" in worker.told()
    assert "the file was altered or cut, fetch the bundle again" in worker.told()
    assert Redis.from_url(embedded_url).dbsize() == 0


@pytest.mark.parametrize("path", ["manifest.json", "forest.npz", "states/AAA.fold", "models/T42_q05.txt"])
def test_an_incomplete_bundle_never_serves(
    embedded_url: str, market: TestMarket, tmp_path: Path, path: str
) -> None:
    folder = shutil.copytree(market.folder, tmp_path / "incomplete")
    (folder / path).unlink()
    with ServedWorker(embedded_url, tmp_path, folder) as worker:
        assert worker.wait(QUICKLY_S) == 3
    assert path in worker.told()
    assert Redis.from_url(embedded_url).dbsize() == 0


def test_unreadable_state_ends_the_worker_in_a_sentence(
    embedded_url: str, market: TestMarket, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    client.hset(TOPICS.state, "AAA", b"rubbish")
    with ServedWorker(embedded_url, tmp_path, market.folder) as worker:
        assert worker.wait(QUICKLY_S) == 1
    assert "expected snapshots of this version in worker.state" in worker.told()
    assert client.hgetall(TOPICS.state) == {b"AAA": b"rubbish"}


def test_a_stop_is_clean(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, market.bars(50))
    ttl: dict[str, Any] = {"BANDS_WORKER__LEASE_TTL_MS": "600000"}
    with ServedWorker(embedded_url, tmp_path, market.folder, **ttl) as worker:
        worker.wait_ready()
        feed.push(100)
        assert worker.stop() == 0
    assert client.get(TOPICS.lease) is None, "expected the lease to be given back at once"
    with ServedWorker(embedded_url, tmp_path, market.folder, **ttl) as successor:
        successor.wait_ready()
        wait_in_effect(client, feed.last)
        assert successor.stop() == 0
    assert len(payloads(client, "bands.T42")) == 100
    assert client.xpending(TOPICS.bars, GROUP)["pending"] == 0


def test_metrics_count_what_happened(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, market.bars(5))
    with ServedWorker(embedded_url, tmp_path, market.folder, **STEADY) as worker:
        worker.wait_ready()
        feed.push(10)
        wait_in_effect(client, feed.last)
        wait_until(lambda: "bands_ready 1.0" in worker.get("/metrics")[1].decode(), "bands_ready is 1")
        status, body = worker.get("/metrics")
        metrics = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if line[:1] != "#")
        assert worker.stop() == 0
    assert status == 200
    assert float(metrics['bands_commits_total{answer="OK"}']) >= 2
    for stream in TOPICS.all_bands:
        assert metrics[f'bands_events_total{{stream="{stream}"}}'] == "10.0"
    assert metrics["bands_lease_epoch"] == "1.0"
    assert metrics[f'bands_bundle_info{{label="{market.bundle.label}",role="champion"}}'] == "1.0"
    assert {"bands_lag_entries", "bands_pending_entries", "bands_step_seconds_count"} <= metrics.keys()


def test_asyncapi_names_every_stream(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    with ServedWorker(embedded_url, tmp_path, market.folder) as worker:
        worker.wait_ready()
        status, page = worker.get("/docs")
        assert (status, b"<html" in page.lower()) == (200, True)
        status, body = worker.get("/asyncapi.json")
        assert worker.stop() == 0
    assert status == 200
    document = json.loads(body)
    assert document["asyncapi"].startswith("3.")
    assert document["info"]["title"]
    addresses = {channel["address"] for channel in document["channels"].values()}
    said = {TOPICS.outcomes(h) for h in HORIZONS} | {TOPICS.shadow(h) for h in HORIZONS}
    assert addresses == {
        TOPICS.bars,
        TOPICS.dead,
        TOPICS.drift,
        TOPICS.retrain,
        TOPICS.swaps,
        RELEASES,
        RETRAIN_STATUS,
        "latest:{symbol}",
        *TOPICS.all_bands,
        *said,
    }
    actions = {operation["action"] for operation in document["operations"].values()}
    assert actions == {"send", "receive"}
    for reference in _references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for item in node.values() for found in _references(item)]


def test_a_taken_port_is_told(embedded_url: str, market: TestMarket, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with ServedWorker(embedded_url, tmp_path, market.folder, port=port) as worker:
            assert worker.wait(QUICKLY_S) == 1
    # The console wraps the sentence.
    assert f"expected a free port {port}" in " ".join(worker.told().split())
    assert "Traceback" not in worker.told()
    assert Redis.from_url(embedded_url).dbsize() == 0
