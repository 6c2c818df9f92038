"""Hot swaps under fire: bars flow, aliases move, the worker dies; every bar is answered once and rightly."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from offline.registry import publish, sqlite_uri
from ops.audit.retell import collect, retell
from ops.release import Releases
from ops.settings import Settings
from tests.behaviour.harness import TOPICS, Feed, ServedWorker, payloads, wait_in_effect, wait_until
from tests.market import TestMarket

pytestmark = pytest.mark.slow

POLLING: dict[str, Any] = {
    "BANDS_REGISTRY__POLL_S": "0.3",
    "BANDS_STREAM__BATCH_MAX": "2",
    "BANDS_WORKER__LEASE_TTL_MS": "3000",
}


def recorded(client: Any) -> list[tuple[str, str | None, float]]:
    """Champion, challenger and share of every swap on record."""
    swaps = [json.loads(one) for one in payloads(client, TOPICS.swaps)]
    return [(s["label"], s.get("challenger", {}).get("label"), s.get("share", 0.0)) for s in swaps]


def assert_told_as_recorded(client: Any, bundles: list[TestMarket], bars: int) -> None:
    """Everything on the server is what the engine says to the same bars under the lineups on record."""
    entries = [(entry.decode(), fields) for entry, fields in client.xrange(TOPICS.bars)]
    assert len(entries) == bars
    swaps = [one.decode() for one in payloads(client, TOPICS.swaps)]
    retold = collect(retell(entries, swaps, {m.bundle.sha256: m.bundle for m in bundles}, TOPICS))
    for stream, wanted in retold.streams.items():
        assert payloads(client, stream) == wanted, f"{stream} differs"
    for stream in TOPICS.all_bands:
        assert len(retold.streams[stream]) == bars
    assert client.hgetall(TOPICS.state) == {name.encode(): blob for name, blob in retold.fields.items()}
    assert client.xlen(TOPICS.dead) == 0


def test_shadow_promotion_and_rollback_while_bars_flow_and_the_worker_dies(
    embedded_url: str, market: TestMarket, rival_market: TestMarket, tmp_path: Path
) -> None:
    rng = random.Random(31)
    uri = sqlite_uri(tmp_path / "mlflow")
    publish(market.folder, uri, artifacts=tmp_path / "artifacts")
    rival = publish(rival_market.folder, uri, artifacts=tmp_path / "artifacts", alias=None)
    settings = Settings(workspace=tmp_path, registry={"tracking_uri": uri})
    client: Any = Redis.from_url(embedded_url)
    releases = Releases(settings, client)
    feed = Feed(embedded_url, market.bars())
    champion, challenger = market.bundle.label, rival_market.bundle.label
    moves = [
        (lambda: releases.shadow(rival.version, share=0.0, by="t", why="try"), (champion, challenger, 0.0)),
        (lambda: releases.shadow(rival.version, share=0.6, by="t", why="split"), (champion, challenger, 0.6)),
        (lambda: releases.promote(by="t", why="won"), (challenger, None, 0.0)),
        (lambda: releases.rollback(by="t", why="lost"), (champion, None, 0.0)),
    ]
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=uri, **POLLING) as worker:
        worker.wait_ready()
        for number, (move, wanted) in enumerate(moves):
            feed.push(40)
            move()
            feed.push(20)
            if number % 2:
                time.sleep(rng.uniform(0.0, 4.0))  # somewhere between the alias and the swap
                worker.kill()
                feed.push(20)
                worker.start()
            wait_until(lambda wanted=wanted: recorded(client)[-1] == wanted, f"{wanted} in force")
            feed.push(60)
        wait_in_effect(client, feed.last)
        assert worker.stop() == 0
    assert [wanted for _, wanted in moves] == recorded(client)[1:]
    assert_told_as_recorded(client, [market, rival_market], feed.sent)
    assert [json.loads(one)["action"] for one in payloads(client, "releases")] == [
        "shadow",
        "shadow",
        "promote",
        "rollback",
    ]


def test_a_registry_that_dies_leaves_the_lineup_serving_and_says_so(
    embedded_url: str, market: TestMarket, tmp_path: Path
) -> None:
    uri = sqlite_uri(tmp_path / "mlflow")
    publish(market.folder, uri, artifacts=tmp_path / "artifacts")
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, market.bars())
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=uri, **POLLING) as worker:
        worker.wait_ready()
        feed.push(20)
        wait_in_effect(client, feed.last)
        (tmp_path / "mlflow" / "mlflow.db").rename(tmp_path / "mlflow" / "gone.db")
        (tmp_path / "mlflow").chmod(0o500)
        wait_until(lambda: "registry" in worker.report().get("notes", {}), "the registry's trouble is noted")
        feed.push(20)
        wait_in_effect(client, feed.last)
        worker.wait_ready()
        worker.kill()
        worker.start()
        wait_until(
            lambda: "serving the local copy" in worker.told(),
            "it starts from its local copy and says so",
        )
        worker.wait_ready()
        feed.push(20)
        wait_in_effect(client, feed.last)
        assert worker.stop() == 0
    assert recorded(client) == [(market.bundle.label, None, 0.0)]
    assert_told_as_recorded(client, [market], 60)
