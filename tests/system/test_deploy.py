"""Deployments rehearsed with real processes: server, registry, worker, and the commands people type."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.events import Release
from contracts.model.bundle import load_bundle, verify_bundle
from contracts.topics import RELEASES
from ops.deployment.backup import verify_backup
from tests.behaviour import harness
from tests.behaviour.harness import STEADY, Feed, ServedWorker
from tests.market import TestMarket
from tests.ops.deployment.packs import make_bundle, make_package
from tests.servers import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.timeout(1_200)]

PATIENCE_S = 300.0
"""Every command imports MLflow, and so does a worker's look at the registry: minutes on a busy machine."""

V1, V2 = "1.0.0-hpo", "1.1.0-hpo"


def wait_until(condition: Callable[[], Any], what: str) -> None:
    harness.wait_until(condition, what, PATIENCE_S)


@dataclass
class House:
    """A workspace with two packages, a server and a worker that follows the registry."""

    home: Path
    server: ServerProcess
    market: TestMarket
    labels: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    worker: ServedWorker | None = None
    feed: Feed | None = None

    @property
    def var(self) -> Path:
        return self.home / "var"

    def start_worker(self, **settings: str) -> ServedWorker:
        self.worker = ServedWorker(
            self.server.url, self.home, None, BANDS_REGISTRY__POLL_S="1", **STEADY, **settings
        )
        self.worker.start()
        wait_until(
            lambda: self.worker is not None and self.worker.get("/health")[0] == 200, "the worker answers"
        )
        self.env["BANDS_DEPLOY__WORKERS"] = f"http://127.0.0.1:{self.worker.port}"
        return self.worker

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        own = {
            "BANDS_REDIS__URL": self.server.url,
            "BANDS_WORKSPACE": str(self.var),
            "COLUMNS": "140",
            "BANDS_DEPLOY__READY_TIMEOUT_S": "240",
        }
        return {**inherited, **own, **self.env}

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ops.cli", *words],
            cwd=self.home,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def bands(self, *words: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        process = self.begin(*words)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{words}: exit code {process.returncode}\n{out}\n{err}"
        self.said = out + err
        return out

    def bundle(self) -> str | None:
        assert self.worker is not None
        report = self.worker.report()
        return report.get("bundle") if report.get("ready") else None

    def serves(self, version: str) -> None:
        wait_until(lambda: self.bundle() == self.labels[version], f"the worker serves {version}")

    def current(self) -> str:
        return str((self.var / "releases" / "current").readlink())

    def records(self) -> list[dict[str, Any]]:
        paths = sorted((self.var / "deployments").glob("*/deployment.json"))
        return [json.loads(path.read_bytes()) for path in paths]

    def releases(self) -> list[tuple[str, str, str | None]]:
        with self.server.client() as client:
            told = [Release.from_wire(fields[b"data"]) for _, fields in client.xrange(RELEASES)]
        return [(one.action, one.to_bundle, one.from_bundle) for one in told]

    def push(self, count: int) -> None:
        if self.feed is None:
            self.feed = Feed(self.server.url, self.market.bars())
        self.feed.push(count)


@pytest.fixture
def house(tmp_path: Path, market: TestMarket) -> Iterator[House]:
    server = ServerProcess("valkey", tmp_path / "server")
    server.start()
    labels = {}
    for version in (V1, V2):
        package = make_package(tmp_path, market.folder, version)
        labels[version] = load_bundle(package.folder / "models", accelerate=False).label
    made = House(tmp_path, server, market, labels)
    try:
        yield made
    finally:
        if made.worker is not None:
            made.worker.stop()
        server.stop()


def at_step(house: House, name: str) -> Callable[[], bool]:
    """Whether the newest deployment is in the middle of this step."""

    def holds() -> bool:
        records = house.records()
        steps = records[-1]["steps"] if records else []
        return bool(steps) and steps[-1]["name"] == name and steps[-1]["outcome"] == "running"

    return holds


def test_deploy_two_go_back_and_the_contingency(house: House) -> None:
    house.start_worker()
    told = json.loads(house.bands("deploy", f"v{V1}", "--no-wait", "--by", "ada", "--json"))
    assert (told["status"], told["bundle"]) == ("done", house.labels[V1]), told
    house.serves(V1)
    assert house.current() == f"{V1}/production_v{V1}"
    house.push(8)
    assert house.worker is not None
    wait_until(lambda: house.worker is not None and house.worker.report().get("lag") == 0, "bars served")
    smoke = json.loads(house.bands("smoke", "--any-age", "--json"))
    again = next(one for one in smoke["findings"] if one["name"] == "a band computed again")
    assert again["status"] == "pass", smoke
    house.bands("smoke", code=1)
    assert "see whether the feed runs" in " ".join(house.said.split()), (
        "bars of years ago are a fault of the feed"
    )

    process = house.begin("deploy", V2, "--by", "grace", "--why", "better", "--json")
    wait_until(at_step(house, "first bands"), "the second deployment waits for a bar")
    house.serves(V2)
    house.push(2)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    told = json.loads(out)
    folder = Path(told["folder"])
    baseline = json.loads((folder / "baseline.json").read_bytes())
    assert baseline["first_bands"], baseline
    assert {one["symbol"] for one in baseline["first_bands"]} <= {"AAA", "BBB"}
    assert baseline["bar_to_band_ms"]["mean"] >= 0
    assert baseline["prediction"]["p95_ms"] < 1_000
    assert verify_backup(folder / "backup") == []
    manifest, sha256, _ = verify_bundle(folder / "backup" / "champion")
    assert f"{manifest.version}+{sha256[:12]}" == house.labels[V1], "what ran before is kept"
    assert house.current() == f"{V2}/production_v{V2}"
    assert "nothing to do" in house.bands("deploy", V2)

    house.bands("rollback", "--by", "ada", "--why", "rehearsal", "--wait")
    assert house.bundle() == house.labels[V1]
    assert house.current() == f"{V1}/production_v{V1}"
    assert [one["status"] for one in house.records()] == ["done", "rolled_back"]
    wait_until(lambda: house.worker is not None and house.worker.report().get("lag") == 0, "bars served")
    house.push(2)
    house.bands("smoke", "--any-age", "--bundle", house.labels[V1])

    spare = make_bundle(house.home / "bundles", house.market.folder, "0.9.0-grid")
    house.bands("rollback", "--to", "contingency", code=3)
    house.bands("deploy", "--contingency", str(spare))
    house.bands("rollback", "--to", "contingency", "--by", "ada", "--why", "both fail", "--wait")
    assert (house.bundle() or "").startswith("0.9.0-grid")
    assert [(action, to) for action, to, _ in house.releases()] == [
        ("promote", house.labels[V1]),
        ("promote", house.labels[V2]),
        ("rollback", house.labels[V1]),
        ("rollback", load_bundle(spare, accelerate=False).label),
    ]


def test_a_worker_that_never_takes_it_brings_the_old_one_back(house: House) -> None:
    house.start_worker()
    house.bands("deploy", V1, "--no-wait")
    house.push(4)
    assert house.worker is not None
    house.worker.stop()
    # It follows another registry than the one that is deployed to: a real mistake of settings.
    shutil.copytree(house.var / "mlflow", house.home / "other")
    house.start_worker(BANDS_REGISTRY__TRACKING_URI=f"sqlite:///{house.home}/other/mlflow.db")
    house.serves(V1)
    house.env["BANDS_DEPLOY__READY_TIMEOUT_S"] = "4"
    house.bands("deploy", V2, "--no-wait", code=1)
    assert "GOING BACK" in house.said
    assert f"WENT BACK to {house.labels[V1]}" in house.said
    assert f"serves {house.labels[V1]}" in house.said, "why the workers did not take it is told"
    assert house.current() == f"{V1}/production_v{V1}"
    last = house.records()[-1]
    assert last["status"] == "returned", last
    assert [one["name"] for one in last["steps"]] == [
        "check", "backup", "install", "publish", "switch", "workers", "return",
    ]  # fmt: skip
    assert [(action, to) for action, to, _ in house.releases()] == [
        ("promote", house.labels[V1]),
        ("promote", house.labels[V2]),
        ("rollback", house.labels[V1]),
    ]
    status = json.loads(house.bands("status", "--json"))
    assert status["registry"]["champion"]["label"] == house.labels[V1]
    assert house.bundle() == house.labels[V1]


@pytest.mark.parametrize("step", ["backup", "publish", "switch", "first bands"])
def test_killed_in_the_middle_it_goes_on_or_back(house: House, step: str) -> None:
    house.start_worker()
    house.bands("deploy", V1, "--no-wait")
    house.push(4)
    kill_at(house, step)
    told = json.loads(house.bands("deploy", V2, "--no-wait", "--json"))
    assert told["status"] == "done", told
    assert len(house.records()) == 2, "the one that was cut off went on"
    assert told["before"]["champion"]["label"] == house.labels[V1], "what ran before it, not what it had made"
    house.serves(V2)
    assert house.current() == f"{V2}/production_v{V2}"
    house.bands("rollback", "--wait")
    assert house.bundle() == house.labels[V1]

    kill_at(house, step)
    house.bands("rollback", "--wait")
    last = house.records()[-1]
    assert last["status"] == ("returned" if last["switching"] else "failed")
    assert last["switching"] or step != "first bands"
    house.serves(V1)
    assert house.current() == f"{V1}/production_v{V1}"
    promoted = [to for action, to, _ in house.releases() if action == "promote"]
    assert len(promoted) <= 3, "no change is told twice"
    with Redis.from_url(house.server.url) as client:
        assert client.get("{releases}.pending") is None


def reached(house: House, step: str) -> bool:
    """Whether a deployment runs that has begun this step; the shorter ones are over when one looks."""
    last = (house.records() or [{}])[-1]
    return last.get("status") == "running" and step in [one["name"] for one in last["steps"]]


def kill_at(house: House, step: str) -> None:
    process = house.begin("deploy", V2)
    drained = threading.Thread(target=process.communicate, daemon=True)
    wait_until(lambda: reached(house, step) or process.poll() is not None, f"the deployment is at {step}")
    assert process.poll() is None, house.records()[-1]
    process.kill()
    drained.start()
    process.wait()
    assert house.records()[-1]["status"] == "running"


def test_interrupted_it_goes_back_and_nobody_deploys_beside_it(house: House) -> None:
    house.start_worker()
    house.bands("deploy", V1, "--no-wait")
    house.push(4)
    process = house.begin("deploy", V2)
    wait_until(at_step(house, "first bands"), "the deployment waits for a bar")
    house.bands("deploy", V2, code=1)
    assert "one under way" in " ".join(house.said.split())
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "WENT BACK" in err
    house.serves(V1)
    assert house.records()[-1]["status"] == "returned"
