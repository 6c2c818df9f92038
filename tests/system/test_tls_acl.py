"""TLS with ACL: every role does its real work with the rights of its user, and the server refuses nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from contracts.connect import connect
from contracts.events import Band
from contracts.lease import Lease
from contracts.topics import FEED_EPOCH, FEED_LEASE, RELEASES, RETRAIN_STATUS
from offline.hpo.crew import redis_crew
from offline.hpo.storage import REDIS_PREFIX, open_storage
from offline.registry import sqlite_uri
from ops.dashboard.cache import Cache
from ops.dashboard.reader import Reader
from ops.embedded import free_port
from ops.feed.outbox import Outbox, Outgoing
from ops.notify.sources import Positions, sources
from ops.security.check import differences
from tests.behaviour.harness import STEADY, TOPICS, ServedWorker, wait_until
from tests.market import TestMarket
from tests.ops.security.servers import SecureServer, secure_server
from tests.servers import Kind
from tests.system.desk import Desk, publish_two

pytestmark = pytest.mark.slow

CASES: tuple[tuple[Kind, bool], ...] = (("redis7", True), ("valkey", False))
"""The embedded Valkey is built without TLS: it shows the ACL alone."""
BARS = 60


@pytest.fixture(params=CASES, ids=["redis7-tls", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecureServer]:
    kind, tls = request.param
    with secure_server(kind, tmp_path / "server", tls=tls) as started:
        yield started


@pytest.fixture(scope="module")
def published(market: TestMarket, rival_market: TestMarket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_two(tmp_path_factory.mktemp("registry"), market, rival_market)


@pytest.fixture
def desk(server: SecureServer, published: Path, tmp_path: Path) -> Desk:
    shutil.copy(published, tmp_path / "mlflow.db")
    return Desk(server, tmp_path, sqlite_uri(tmp_path))


def worker(desk: Desk, **more: str) -> ServedWorker:
    return ServedWorker(
        desk.server.url,
        desk.home,
        None,
        **desk.server.environment("worker"),
        **desk.registry,
        **STEADY,
        **more,
    )


def push(desk: Desk, market: TestMarket, first: int, last: int) -> None:
    with desk.server.client("feed") as feed:
        for bar in market.bars()[first:last]:
            feed.xadd(TOPICS.bars, {"data": bar.to_wire()})


def wait_bands(desk: Desk, count: int) -> None:
    with desk.server.client("subscriber") as reader:
        wait_until(lambda: reader.xlen(TOPICS.bands(42)) == count, f"{count} bands")


def test_each_role_does_its_work_and_nothing_is_refused(
    server: SecureServer, desk: Desk, market: TestMarket, rival_market: TestMarket
) -> None:
    with worker(desk, BANDS_REGISTRY__POLL_S="0.3") as served:
        served.wait_ready()
        push(desk, market, 0, BARS)
        wait_bands(desk, BARS)
        with server.client("subscriber") as reader:
            ((_, page),) = reader.xread({TOPICS.bands(42): "0"}, count=BARS)
            assert all(Band.from_wire(fields[b"data"]).is_band for _, fields in page)
            assert len(reader.hgetall(TOPICS.latest("AAA"))) == 4
            reader.xrevrange(TOPICS.outcomes(42), count=1)
        told = json.loads(desk.bands("ops", "status", "--json"))
        assert told["server"]["up"]
        assert told["partitions"][0]["streams"]["bands.T42"] == BARS
        desk.bands("ops", "shadow", "2", "--why", "test", "--by", "ada")
        wait_until(lambda: served.report()["challenger"] == rival_market.bundle.label, "the challenger")
        push(desk, market, BARS, 2 * BARS)
        wait_bands(desk, 2 * BARS)
        desk.bands("ops", "shadow")
        desk.bands("ops", "promote", "--force", "--why", "test", "--by", "ada")
        wait_until(lambda: served.report()["bundle"] == rival_market.bundle.label, "the promotion")
        desk.bands("ops", "rollback", "--by", "ada")
        wait_until(lambda: served.report()["bundle"] == market.bundle.label, "the rollback")
        desk.bands("ops", "audit")
        desk.bands("ops", "explain", "AAA", "--horizon", "42")
        desk.bands("dashboard", "status")
        desk.bands("ops", "retrain", "--reason", "test", "--by", "ada")
    assert served.wait(10) == 0
    assert server.refused() == []
    assert list(differences(server.client("admin"), server.roles, server.passwords)) == []


def test_a_retrainer_serves_a_request(server: SecureServer, desk: Desk) -> None:
    url = server.settings("retrainer").effective_url
    assert url is not None
    environment = desk.environment("retrainer") | {"BANDS_REDIS__URL": url}
    home = desk.home / "var"
    home.mkdir(exist_ok=True)
    (home / "champion").write_text("0.1.0+abc")
    port = free_port()
    with (desk.home / "retrainer.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.behaviour.fake_retrainer",
                json.dumps({"http_port": port, "lease_ttl_ms": 10_000}),
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        answer = desk.bands("ops", "retrain", "--reason", "test", "--by", "ada", "--wait")
        assert "registered" in answer
    finally:
        process.terminate()
        process.wait(30)
    with server.client("dashboard") as reader:
        assert reader.xlen(RETRAIN_STATUS) > 3
    assert server.refused() == []


def test_the_real_retrainer_starts_and_stands_ready(server: SecureServer, desk: Desk) -> None:
    port = str(free_port())
    log = desk.home / "retrainer.log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "retrainer", "--http-port", port],
            env=desk.environment("retrainer"),
            cwd=desk.home,
            stdout=told,
            stderr=told,
        )
    try:
        wait_until(lambda: b"serving requests" in log.read_bytes(), "a retrainer that serves")
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert server.refused() == []
    assert server.password("retrainer").encode() not in log.read_bytes()


def test_a_retrainer_may_put_its_challenger_in_shadow(server: SecureServer, desk: Desk) -> None:
    desk.bands("retrainer", "shadow", "2", "--why", "retrained", "--by", "retrainer")
    with server.client("notify") as reader:
        assert reader.xlen(RELEASES) == 1
    assert server.refused() == []


async def test_the_feed_sends_and_remembers(server: SecureServer, market: TestMarket) -> None:
    url = server.settings("feed").effective_url
    assert url is not None
    redis = connect(url, protocol=2)
    lease = Lease(redis, FEED_LEASE, FEED_EPOCH, 5_000)
    assert await lease.acquire() is None
    assert await lease.renew() is None
    outbox = Outbox(redis, 1, None)
    assert await outbox.recover(0.0) == {}
    candles = market.live["AAA"].candles()[:3]
    await outbox.send([Outgoing("AAA", candle, "live") for candle in candles])
    assert list(await outbox.recover(0.0)) == ["AAA"]
    await lease.release()
    await redis.aclose()
    with server.client("dashboard") as reader:
        assert reader.xlen(TOPICS.bars) == 3
    assert server.refused() == []


def test_a_notifier_reads_alerts_and_keeps_its_place(server: SecureServer) -> None:
    with server.client("ops") as ops:
        ops.xadd(TOPICS.retrain, {"data": "{}"})
    with server.client("notify") as redis:
        positions = Positions(redis, sources(1))
        positions.begin(from_beginning=True)
        (waiting,) = positions.waiting(10)
        positions.done(waiting)
        assert list(positions.waiting(10)) == []
    assert server.refused() == []


def test_the_dashboard_reads_everything(server: SecureServer) -> None:
    reader = Reader(Cache(30), lambda: server.client("dashboard"), 1, 0.05)
    reader.start()
    try:
        wait_until(lambda: not reader.state.loading and reader.state.problem is None, "all read")
        wait_until(lambda: reader.state.facts.about is not None, "the server's facts")
    finally:
        reader.stop()
    assert server.refused() == []


def test_a_study_is_shared(server: SecureServer) -> None:
    url = server.settings("tuner").effective_url
    assert url is not None
    with redis_crew(url, REDIS_PREFIX) as crew, open_storage(url) as storage:
        study = optuna.create_study(storage=storage, study_name="test")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        assert crew.alive(crew.me)
    assert server.refused() == []


def test_a_wrong_password_and_a_foreign_authority_are_told_calmly(
    server: SecureServer, desk: Desk, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    wrong.chmod(0o600)
    told = subprocess.run(
        [sys.executable, "-m", "ops.cli", "status"],
        env=desk.environment("ops") | {"BANDS_REDIS__PASSWORD_FILE": str(wrong)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 4
    assert "not it" not in told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    if server.ca is not None:
        bare = desk.environment("ops")
        del bare["BANDS_REDIS__TLS_CA_FILE"]
        told = subprocess.run(
            [sys.executable, "-m", "ops.cli", "status"], env=bare, cwd=tmp_path, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert told.returncode == 4
        assert "certificate" in told.stdout.lower()


def test_no_secret_is_seen_in_logs_process_list_and_settings(
    server: SecureServer, desk: Desk, market: TestMarket
) -> None:
    with worker(desk) as served:
        served.wait_ready()
        push(desk, market, 0, 2)
        wait_bands(desk, 2)
        arguments = Path(f"/proc/{served.pid}/cmdline")
        seen = [
            served.told(),
            desk.bands("ops", "status", "--settings"),
            desk.bands("ops", "status", "--json"),
        ]
        seen += [served.get(path)[1].decode() for path in ("/ready", "/metrics", "/asyncapi.json")]
        if arguments.exists():
            seen.append(arguments.read_bytes().decode())
    for role in ("worker", "ops"):
        assert not any(server.password(role) in text for text in seen)
