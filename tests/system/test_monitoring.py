"""From a fault to somebody's phone: a real Prometheus and Alertmanager, a worker, and a webhook."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from ops.embedded import free_port
from ops.monitoring.files import generated, write
from ops.monitoring.routing import Waits, alertmanager_yaml
from ops.monitoring.rules import rules_yaml
from ops.monitoring.scrape import RULES, prometheus_yaml
from tests.behaviour.harness import STEADY, Feed, ServedWorker, wait_in_effect, wait_until
from tests.market import TestMarket

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
AT_ONCE = Waits("1s", "1s", "1h")
PATIENCE_S = 120.0


class Receiver(ThreadingHTTPServer):
    """Keeps the alerts it is sent, each with the path it came to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def find(self, path: str, name: str, status: str = "firing") -> dict[str, Any] | None:
        for at, alert in list(self.got):
            if (at, alert["labels"]["alertname"], alert["status"]) == (path, name, status):
                return alert
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got += [(self.path, alert) for alert in body["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def running(folder: Path, *command: str) -> Iterator[None]:
    """A process that is ended, by its id, on leaving."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def monitored(tmp_path: Path, receiver: Receiver) -> Iterator[int]:
    """Prometheus and Alertmanager with the project's own files, quickened; the port the worker is to have."""
    for tool in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on PATH")
    worker, prometheus, alertmanager = free_port(), free_port(), free_port()
    folder = tmp_path / "monitoring"
    files = generated({"workers": [f"127.0.0.1:{worker}"], "alertmanagers": [f"127.0.0.1:{alertmanager}"]})
    files |= {
        "prometheus.yml": prometheus_yaml(interval="1s"),
        RULES: rules_yaml(every="1s", lasting="2s"),
        "alertmanager.yml": alertmanager_yaml(
            receiver.url("/page"), receiver.url("/ticket"), page=AT_ONCE, ticket=AT_ONCE
        ),
        "targets/retrainers.yml": "- targets: ['127.0.0.1:1']\n",
    }
    list(write(files, folder))
    with ExitStack() as stack:
        stack.enter_context(
            running(
                folder,
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                "--storage.path=alertmanager",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            )
        )
        stack.enter_context(
            running(
                folder,
                "prometheus",
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=prometheus",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            )
        )
        for port in (alertmanager, prometheus):
            url = f"http://127.0.0.1:{port}/-/ready"
            wait_until(lambda url=url: answers(url), f"{url} answers", PATIENCE_S)  # type: ignore[misc]
        yield worker


def test_a_dead_feed_and_a_killed_worker_reach_the_webhook(
    embedded_url: str, market: TestMarket, tmp_path: Path, receiver: Receiver, monitored: int
) -> None:
    client: Any = Redis.from_url(embedded_url)
    feed = Feed(embedded_url, market.bars(5))
    with ServedWorker(embedded_url, tmp_path, market.folder, port=monitored, **STEADY) as worker:
        worker.wait_ready()
        feed.push(10)
        wait_in_effect(client, feed.last)

        # The simulated bars are years old: to a live system their feed died then.
        wait_until(lambda: receiver.find("/page", "BandsFeedDead"), "a page for the feed", PATIENCE_S)
        wait_until(
            lambda: receiver.find("/ticket", "BandsRetrainerNotReady"),
            "a ticket for the retrainer",
            PATIENCE_S,
        )
        wait_until(
            lambda: (
                receiver.find("/page", "BandsWorkerDown", "firing") is None
                or receiver.find("/page", "BandsWorkerDown", "resolved")
            ),
            "a worker that answers is no reason for a page",
            PATIENCE_S,
        )
        receiver.got.clear()

        worker.kill()
        wait_until(lambda: receiver.find("/page", "BandsWorkerDown"), "a page for the worker", PATIENCE_S)
        alert = receiver.find("/page", "BandsWorkerDown")
        assert alert is not None
        assert alert["labels"]["instance"] == f"127.0.0.1:{monitored}"
        assert alert["labels"]["severity"] == "page"
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        sections = [line.lower() for line in (PROJECT / page).read_text().splitlines()]
        assert f"## {anchor}" in sections

        worker.start()
        worker.wait_ready()
        wait_until(lambda: receiver.find("/page", "BandsWorkerDown", "resolved"), "the all-clear", PATIENCE_S)
        assert worker.stop() == 0
