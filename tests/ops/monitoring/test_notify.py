"""Notifications: whatever is killed or refused, each entry reaches the webhook at least once, in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.errors import BadInputError
from contracts.events import DriftAlert, Release, RetrainRequest, RetrainStatus
from contracts.events.base import Event
from contracts.topics import RELEASES, RETRAIN_STATUS, Topics
from ops.notify import Courier, Webhook, read_webhook, sources
from ops.notify.sources import POSITION, Positions
from tests.behaviour.harness import wait_until

AT = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = Topics()


class Receiver(ThreadingHTTPServer):
    """A webhook that answers as it is told; `got` are the bodies it accepted, `asked` all requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.asked = 0
        self.answers: list[int] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/s3cret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked += 1
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.got.append(body)
            self.server.keys.append(self.headers["idempotency-key"])
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def drift(symbol: str = "AAA") -> DriftAlert:
    return DriftAlert(
        symbol=symbol,
        at=AT,
        detector="PageHinkley",
        channel="width",
        severity="alarm",
        statistic=3.0,
        threshold=2.0,
        evidence="bars moved 1.9 times as far",
        bundle="0.1.0",
    )


def add(client: Any, stream: str, event: Event) -> str:
    entry: str = client.xadd(stream, {"data": event.to_wire()}).decode()
    return entry


def start(url: str, folder: Path, hook: str, *more: str, **settings: str) -> subprocess.Popen[bytes]:
    secret = folder / "hook.url"
    secret.write_text(hook + "\n")
    secret.chmod(0o600)
    env = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
    env |= {
        "BANDS_REDIS__URL": url,
        "BANDS_WORKSPACE": str(folder / "var"),
        "BANDS_NOTIFY__WEBHOOK_FILE": str(secret),
        "BANDS_NOTIFY__POLL_INTERVAL_S": "0.05",
        "BANDS_NOTIFY__LONGEST_PAUSE_S": "0.6",
        **settings,
    }
    command = [sys.executable, "-m", "ops.cli", "notify", *more]
    with (folder / "notify.log").open("ab") as log:
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)


def once(url: str, hook: str, *, from_beginning: bool = False, partitions: int = 1) -> int:
    """Deliver what waits, as `bands notify --once` does; how many were accepted."""
    streams, stop = sources(partitions), threading.Event()
    positions = Positions(Redis.from_url(url), streams)
    positions.begin(from_beginning=from_beginning)
    webhook = Webhook(hook, stop, timeout_s=5.0, longest_pause_s=0.2)
    try:
        return Courier(positions, streams, webhook, stop, page=100).deliver_all()
    finally:
        webhook.close()


def test_every_kind_is_told_in_order_and_none_twice(redis_url: str, receiver: Receiver) -> None:
    client: Any = Redis.from_url(redis_url)
    other = Topics(1, 2)
    add(client, Topics(0, 2).drift, drift("OLD"))
    assert once(redis_url, receiver.url, partitions=2) == 0
    assert receiver.got == [], "expected the first start to begin with what is new"
    entries = [
        add(client, other.drift, drift()),
        add(client, other.retrain, RetrainRequest(id="r1", at=AT, requested_by="worker", reason="width")),
        add(client, RETRAIN_STATUS, RetrainStatus(id="r1", at=AT, stage="tuning", progress=0.5)),
        add(client, RETRAIN_STATUS, RetrainStatus(id="r1", at=AT, stage="failed", detail="no bars")),
        add(client, RELEASES, Release(action="promote", at=AT, by="ann", why="better", to_bundle="0.2.0")),
    ]
    rubbish = client.xadd(RELEASES, {"data": b"\xff rubbish"}).decode()
    assert once(redis_url, receiver.url, partitions=2) == 5
    assert once(redis_url, receiver.url, partitions=2) == 0
    assert [one["kind"] for one in receiver.got] == [
        "drift",
        "retrain",
        "retrain_failed",
        "release",
        "unreadable",
    ]
    told = [*entries[:2], *entries[3:], rubbish]
    assert [one["entry"] for one in receiver.got] == told
    assert receiver.keys == [one["id"] for one in receiver.got]
    assert receiver.keys[0] == f"{other.drift}/{entries[0]}"
    assert "bars moved 1.9 times as far" in receiver.got[0]["text"]
    assert receiver.got[3]["event"]["to_bundle"] == "0.2.0"


def test_a_kill_loses_nothing_and_repeats_carry_the_same_key(
    embedded_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    process = start(embedded_url, tmp_path, receiver.url)
    wait_until(lambda: client.hlen(POSITION) == 4, "positions are noted")
    sent = []
    for round_ in range(3):
        sent += [add(client, TOPICS.drift, drift(f"S{round_}")) for _ in range(15)]
        enough = len(sent) - 10
        wait_until(lambda enough=enough: len(receiver.got) >= enough, "some are delivered")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process = start(embedded_url, tmp_path, receiver.url)
    wait_until(lambda: {one["entry"] for one in receiver.got} >= set(sent), "every entry is delivered")
    log = tmp_path / "notify.log"
    wait_until(lambda: log.read_text().count("telling of") == 4, "the last one is up")
    process.terminate()
    assert process.wait(30) == 0
    first = list(dict.fromkeys(receiver.keys))
    assert first == [f"{TOPICS.drift}/{entry}" for entry in sent]
    assert len(receiver.keys) <= len(sent) + 3, "expected at most one repeat for each kill"


def test_a_receiver_that_fails_is_tried_until_it_answers(
    embedded_url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = Redis.from_url(embedded_url)
    add(client, TOPICS.drift, drift())
    receiver.answers = [500, 503, 429, 404]
    assert once(embedded_url, receiver.url, from_beginning=True) == 1
    assert (len(receiver.got), receiver.asked) == (1, 5)
    assert "waits after 1 attempts: the webhook answered 500" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_message_no_receiver_takes_holds_up_none_behind_it(
    embedded_url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = Redis.from_url(embedded_url)
    refused = add(client, TOPICS.drift, drift("BAD"))
    add(client, TOPICS.drift, drift("GOOD"))
    receiver.answers = [400] * 5
    assert once(embedded_url, receiver.url, from_beginning=True) == 1
    assert [one["event"]["symbol"] for one in receiver.got] == ["GOOD"]
    assert f"{TOPICS.drift}/{refused} was given up after 5 attempts" in caplog.text


def test_a_stop_while_the_receiver_is_away_is_quick_and_loses_nothing(
    embedded_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    entry = add(client, TOPICS.drift, drift())
    process = start(embedded_url, tmp_path, "http://127.0.0.1:1/s3cret", "--from-beginning")
    log = tmp_path / "notify.log"
    wait_until(lambda: "waits after 1 attempts" in log.read_text(), "the first attempt failed")
    process.terminate()
    assert process.wait(30) == 0
    assert "s3cret" not in log.read_text()
    assert once(embedded_url, receiver.url) == 1
    assert [one["entry"] for one in receiver.got] == [entry]


class TestWebhook:
    """Where to, said once; a secret is not told back."""

    def test_neither_and_both(self, tmp_path: Path) -> None:
        for url, file in ((None, None), ("http://h", tmp_path)):
            with pytest.raises(BadInputError, match="expected --webhook URL or a file"):
                read_webhook(url, file)

    @pytest.mark.parametrize("url", ["ftp://h/s3cret", "https:///s3cret", "s3cret"])
    def test_no_url(self, url: str) -> None:
        with pytest.raises(BadInputError, match="begins with http") as refused:
            read_webhook(url, None)
        assert "s3cret" not in str(refused.value)

    def test_a_file_open_to_all_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "hook"
        file.write_text("https://h/s3cret")
        file.chmod(0o644)
        with pytest.raises(BadInputError, match="chmod 600"):
            read_webhook(None, file)
        file.chmod(0o600)
        assert read_webhook(None, file) == "https://h/s3cret"
