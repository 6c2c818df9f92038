"""Promises 1 and 2: whatever dies or breaks, no bar is lost, none counts twice, and no byte differs."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.behaviour.harness import (
    PATIENCE_S,
    STEADY,
    TOPICS,
    Feed,
    ServedWorker,
    Truth,
    assert_undisturbed,
    cursor,
    order,
    wait_in_effect,
    wait_taken,
    waiting,
)
from tests.market import TestMarket
from tests.servers import ServerProcess

WORKER_KILLS = {"valkey": 24, "redis7": 8}
SERVER_KILLS = 5
CUTS = 60
SMALL_STEPS: dict[str, Any] = {"BANDS_STREAM__BATCH_MAX": "2"}
"""Two bars a commit: many moments at which to die."""


def test_kill_9_of_the_worker_at_random_moments(
    request: pytest.FixtureRequest, redis_url: str, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    kills = WORKER_KILLS[request.node.callspec.params["redis_url"]]
    rng = random.Random(20)
    client: Any = Redis.from_url(redis_url)
    feed = Feed(redis_url, market.bars())
    worker = ServedWorker(redis_url, tmp_path, market.folder, BANDS_WORKER__LEASE_TTL_MS="300", **SMALL_STEPS)
    per_kill = len(feed.bars) // kills
    interrupted = 0
    try:
        for kill in range(kills):
            worker.start()
            # The feed stays ahead, so that the worker dies with bars in its hands.
            feed.push(2 * per_kill if kill == 0 else per_kill)
            if kill % 6 == 5:
                time.sleep(rng.uniform(0.0, 0.8))  # somewhere in its start
            else:
                goal = feed.sent - rng.randrange(2, 2 * per_kill - 2)
                wait_taken(client, feed, goal)
                time.sleep(rng.uniform(0.0, 0.004))
            worker.kill()
            interrupted += waiting(client) > 0
        feed.push(feed.left)
        worker.start()
        wait_in_effect(client, feed.last)
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert interrupted >= kills // 2
    assert_undisturbed(client, truth)


def test_kill_9_while_volatility_breaks_and_alerts_are_raised(
    embedded_url: str, market: TestMarket, tmp_path: Path
) -> None:
    """No alert and no request to retrain is lost or told twice, and every detector goes on where it was."""
    rng = random.Random(25)
    bars = market.broken(at=60, factor=4.0)
    truth = Truth.of(market.bundle, bars)
    assert truth.streams[TOPICS.drift]
    assert truth.streams[TOPICS.retrain]
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, bars)
    worker = ServedWorker(
        embedded_url, tmp_path, market.folder, BANDS_WORKER__LEASE_TTL_MS="300", **SMALL_STEPS
    )
    try:
        for _ in range(8):
            worker.start()
            feed.push(100)
            wait_taken(client, feed, feed.sent - rng.randrange(2, 98))
            worker.kill()
        feed.push(feed.left)
        worker.start()
        wait_in_effect(client, feed.last)
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert_undisturbed(client, truth)


def test_kill_9_of_the_server_in_mid_stream(
    crash_server: ServerProcess, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    """The log reaches the disk before any answer: then a kill of the server loses nothing at all."""
    rng = random.Random(21)
    client: Any = crash_server.client()
    feed = Feed(crash_server.url, market.bars())
    with ServedWorker(crash_server.url, tmp_path, market.folder, **SMALL_STEPS) as worker:
        worker.wait_ready()
        pid = worker.pid
        feed.push_rest_in_background(pause_s=0.01)
        for kill in range(SERVER_KILLS):
            goal = (kill + rng.random()) * len(feed.bars) / (SERVER_KILLS + 1)
            feed.wait_sent(int(goal))
            crash_server.kill9()
            worker.wait_problem("reader: ")
            assert worker.get("/health")[0] == 200
            crash_server.start()
            worker.wait_ready()
        feed.join()
        wait_in_effect(client, feed.last)
        assert worker.pid == pid
        assert worker.stop() == 0
    assert feed.resent
    assert_undisturbed(client, truth)


def test_a_power_loss_takes_the_last_second_and_the_feed_brings_it_back(
    crash_server: ServerProcess, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    """The worker lives on, its memory ahead of a server that has forgotten."""
    rng = random.Random(22)
    client: Any = crash_server.client()
    feed = Feed(crash_server.url, market.bars())
    log_folder = tmp_path / crash_server.kind / "appendonlydir"
    forgotten = 0
    with ServedWorker(crash_server.url, tmp_path, market.folder, **SMALL_STEPS) as worker:
        worker.wait_ready()
        for _ in range(4):
            before = feed.sent
            feed.push(120)
            goal = rng.randrange(before + 40, feed.sent)
            wait_taken(client, feed, goal)
            at = cursor(client)
            crash_server.kill9()
            log = max(log_folder.glob("*.incr.aof"), key=lambda path: path.stat().st_mtime_ns)
            _tear(log, rng.randrange(20_000, 400_000))
            crash_server.start()
            forgotten += cursor(client) < at
            feed.rewind(120)
            feed.push(120)
        feed.push(feed.left)
        wait_in_effect(client, feed.last)
        worker.wait_ready()
        assert worker.stop() == 0
    assert forgotten >= 2
    assert_undisturbed(client, truth)


def _tear(log: Path, lost_bytes: int) -> None:
    """Cut the end off an append-only log, as a power loss does."""
    with log.open("r+b") as handle:
        handle.truncate(max(0, log.stat().st_size - lost_bytes))


def test_cut_connections(redis_url: str, market: TestMarket, truth: Truth, tmp_path: Path) -> None:
    rng = random.Random(23)
    client: Any = Redis.from_url(redis_url)
    feed = Feed(redis_url, market.bars())
    cut = rounds = 0
    with ServedWorker(redis_url, tmp_path, market.folder, **SMALL_STEPS) as worker:
        worker.wait_ready()
        while feed.left or cut < CUTS:
            feed.push(rng.randrange(10, 16))
            time.sleep(rng.uniform(0.0, 0.06))
            cut += client.client_kill_filter(_type="normal", skipme=True)
            rounds += 1
        wait_in_effect(client, feed.last)
        worker.wait_ready()
        assert worker.stop() == 0
    assert cut >= CUTS
    assert rounds >= 50
    assert_undisturbed(client, truth)


def test_a_second_owner_waits_and_takes_over(
    redis_url: str, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(redis_url)
    feed = Feed(redis_url, market.bars())
    # A lease that a loaded machine does not lose by accident: exactly one owner between the kills.
    ttl: dict[str, Any] = {"BANDS_WORKER__LEASE_TTL_MS": "5000"}
    first, second = (ServedWorker(redis_url, tmp_path, market.folder, **SMALL_STEPS, **ttl) for _ in "ab")
    serving, spare = first, second
    epochs = [0]
    try:
        serving.start()
        serving.wait_ready()
        for _ in range(3):
            spare.start()
            spare.wait_problem("lease: held by")
            token = client.get(TOPICS.lease).decode()
            epochs.append(int(token.split(":")[0]))
            assert token in spare.problems()
            before = feed.sent
            feed.push(200)
            wait_taken(client, feed, before + 20)
            serving.kill()
            spare.wait_ready()
            serving, spare = spare, serving
        feed.push(feed.left)
        wait_in_effect(client, feed.last)
        assert serving.stop() == 0
    finally:
        first.kill()
        second.kill()
    assert epochs == sorted(set(epochs))
    assert_undisturbed(client, truth)


def test_an_owner_that_was_frozen_wakes_up_fenced(
    embedded_url: str, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    """Paused longer than its lease, in the middle of its work: it must not write again."""
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, market.bars())
    steps = {**SMALL_STEPS, **STEADY}
    frozen, heir = (ServedWorker(embedded_url, tmp_path, market.folder, **steps) for _ in "ab")
    try:
        frozen.start()
        frozen.wait_ready()
        feed.push(300)
        wait_taken(client, feed, 20)
        os.kill(frozen.pid, signal.SIGSTOP)
        heir.start()
        heir.wait_ready()
        feed.push(100)
        os.kill(frozen.pid, signal.SIGCONT)
        assert frozen.wait(PATIENCE_S) == 75
        assert "expected to own worker.lease" in frozen.told()
        feed.push(feed.left)
        wait_in_effect(client, feed.last)
        assert heir.stop() == 0
    finally:
        frozen.kill()
        heir.kill()
    assert_undisturbed(client, truth)


def test_everything_at_once(
    crash_server: ServerProcess, market: TestMarket, truth: Truth, tmp_path: Path
) -> None:
    """Worker and server killed, connections cut, in random order."""
    rng = random.Random(24)
    client: Any = crash_server.client()
    feed = Feed(crash_server.url, market.bars())
    worker = ServedWorker(crash_server.url, tmp_path, market.folder, **SMALL_STEPS)
    blows = ["worker", "server", "cut"] * 4
    rng.shuffle(blows)
    try:
        worker.start()
        worker.wait_ready()
        feed.push_rest_in_background(pause_s=0.01)
        for blow in blows:
            time.sleep(rng.uniform(0.0, 0.4))
            if blow == "worker":
                worker.kill()
                worker.start()
            elif blow == "server":
                crash_server.kill9()
                time.sleep(rng.uniform(0.0, 0.3))
                crash_server.start()
            else:
                client.client_kill_filter(_type="normal", skipme=True)
        feed.join()
        wait_in_effect(client, feed.last)
        worker.wait_ready()
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert order(feed.last) == cursor(client)
    assert_undisturbed(client, truth)
