"""`bands gates`, `approve` and `package` as a release meets them, up to a worker served from the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from contracts.events import Band
from offline.gates import look_up
from offline.registry import RegistryError, find_champion, publish, sqlite_uri
from ops.cli.app import app
from ops.embedded import free_port
from tests.market import TestMarket
from tests.offline.gates.evidence import POLICY, estimate, good_inference, good_results, save

pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Path:
    """A working folder: evidence on the market's bundle, which its registry knows."""
    folder = tmp_path_factory.mktemp("release")
    save(good_results(market.bundle.manifest), folder / "wf" / "results.json")
    save(good_inference(market.bundle.sha256), folder / "inference.json")
    (folder / "own.toml").write_text(POLICY)
    registry = folder / "var" / "mlflow"
    publish(market.folder, sqlite_uri(registry), artifacts=registry / "artifacts", alias="challenger")
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "120")


def bands(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def flat(done: Result) -> str:
    return " ".join(done.output.split())


def gates(market: TestMarket, *more: str | Path, results: str = "wf") -> Result:
    return bands(
        "gates", "--results", results, "--bundle", market.folder, "--inference", "inference.json",
        "--policy", "own.toml", *more,
    )  # fmt: skip


def approve(
    market: TestMarket, role: str, name: str, *more: str, policy: tuple[str, ...] = ("--policy", "own.toml")
) -> Result:
    return bands(
        "approve", "--bundle", market.folder, "--role", role, "--name", name, "--gates",
        "var/quality_gates_report.json", "--results", "wf/results.json", *policy, *more,
    )  # fmt: skip


def test_go_is_told_and_written(market: TestMarket, home: Path) -> None:
    done = gates(market)
    assert done.exit_code == 0, done.output
    assert "GO 0.1.0-test" in flat(done)
    assert "4 Production readiness: fail" in flat(done)
    told = json.loads((home / "var" / "quality_gates_report.json").read_text())
    assert told["go"] is True
    (check,) = (c for g in told["gates"] for c in g["checks"] if c["name"] == "artifacts_versioned")
    assert check["status"] == "pass", check
    again = gates(market, "--out", "again.json", "--json")
    assert json.loads(again.stdout) == told
    assert (home / "again.json").read_bytes() == (home / "var" / "quality_gates_report.json").read_bytes()


def test_the_registry_knows_this_bundle_and_no_other(home: Path) -> None:
    other = look_up(sqlite_uri(home / "var" / "mlflow"), "0" * 64)
    assert other.answers().status == "pass"
    assert other.tracking().status == other.versioned().status == "fail"


def test_no_go_is_exit_1_with_the_check_and_by_how_much(market: TestMarket, home: Path) -> None:
    told = good_results(market.bundle.manifest)
    told["overall"]["T60"]["pooled"]["coverage_90"] = estimate(0.85)
    save(told, home / "bad" / "results.json")
    done = gates(market, "--out", "no-go.json", results="bad")
    assert done.exit_code == 1, done.output
    assert "asked 0.87 to 0.93, missed by 0.02" in flat(done)
    assert "NO-GO" in flat(done)
    signed = bands(
        "approve", "--bundle", market.folder, "--role", "architect", "--name", "Ada Lovelace",
        "--gates", "no-go.json", "--results", "bad/results.json", "--policy", "own.toml",
    )  # fmt: skip
    assert signed.exit_code == 3
    assert "T60 covers 85.00% out of sample; the gates say no-go" in flat(signed)
    assert bands("approve", "--bundle", market.folder, "--show").exit_code == 0


def test_without_a_file_speed_is_measured_now_and_kept(market: TestMarket, home: Path) -> None:
    done = bands("gates", "--results", "wf", "--bundle", market.folder, "--out", "now.json", "--json")
    told = json.loads(done.stdout)
    kept = json.loads((home / "now.inference.json").read_text())
    assert kept["bundle_sha256"] == market.bundle.sha256
    speed = [c for g in told["gates"] for c in g["checks"] if c["name"] == "latency_ms"]
    assert [c["status"] for c in speed] == ["pass"] * 4
    assert speed[0]["value"] == kept["horizons"]["T42"]["p95_ms"]
    assert told["policy"]["cv_quality"]["crossing_rate"]["below"] == 0.01, "the default policy, not own.toml"
    crossing = [c for g in told["gates"] for c in g["checks"] if c["name"] == "crossing_rate"]
    assert [c["status"] for c in crossing] == ["pass"] * 4, (
        "small corrections to ordered quantiles cross rarely"
    )
    assert told["go"] is True
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gates", "--bundle", "x"], "--results and --bundle"),
        (["gates", "--results", "wf", "--bundle", "nowhere"], "bands train"),
        (["package", "--bundle", "x"], "--bundle and --results"),
        (["package", "--verify", "own.toml"], "a tar.gz of `bands package`"),
    ],
)
def test_what_is_missing_is_told(words: list[str], told: str) -> None:
    done = bands(*words)
    assert done.exit_code == 3, done.output
    assert told in flat(done)


def test_the_policy_shown_is_one_that_can_be_given(market: TestMarket, home: Path) -> None:
    shown = bands("gates", "--show-policy")
    (home / "shown.toml").write_text(shown.stdout)
    done = bands(
        "gates", "--results", "wf", "--bundle", market.folder, "--inference", "inference.json", "--policy",
        "shown.toml", "--out", "shown.json", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["sources"]["policy"]["is_default"] is True


def test_sign_off_by_two_and_a_package_that_serves(
    market: TestMarket, home: Path, embedded_url: str, tmp_path: Path
) -> None:
    assert gates(market).exit_code == 0
    unsaid = approve(market, "architect", "Ada Lovelace", policy=())
    assert unsaid.exit_code == 3, "thresholds other than the default ones are named by whoever signs"
    assert "give it with --policy" in flat(unsaid)
    first = approve(market, "architect", "Ada Lovelace", "--note", "seen", "--json")
    assert json.loads(first.stdout)["missing"] == ["product-owner"], first.output
    assert approve(market, "product-owner", "ada lovelace").exit_code == 3
    second = approve(market, "product-owner", "Grace Hopper")
    assert "complete: both roles have signed" in flat(second)
    assert "nothing changed" in flat(approve(market, "product-owner", "Grace Hopper"))

    packed = bands(
        "package", "--bundle", market.folder, "--results", "wf", "--gates", "var/quality_gates_report.json",
        "--policy", "own.toml", "--version", "1.0.0-hpo", "--out", tmp_path, "--json",
    )  # fmt: skip
    assert packed.exit_code == 0, packed.output
    told = json.loads(packed.stdout)
    verified = json.loads(bands("package", "--verify", told["archive"], "--json").stdout)
    assert verified["go"] is True
    assert verified["signed"] == ["architect", "product-owner"]
    assert verified["sha256"] == told["sha256"]

    bar = market.bars(1)[0]
    with Redis.from_url(embedded_url) as client:
        client.xadd("bars.4h", {"data": bar.to_wire()})
        for port in served(Path(told["folder"]), embedded_url, tmp_path):
            wait_until(lambda: client.xlen("bands.T60") == 1)
            band = Band.from_wire(client.xrange("bands.T42")[0][1][b"data"])
            assert band.symbol == bar.symbol
            assert band.bundle == market.bundle.label
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                assert b"bands_ready 1.0" in answer.read()
    after = bands("package", "--verify", told["folder"])
    assert after.exit_code == 0, "serving left the package as it was: " + after.output


def served(package: Path, url: str, folder: Path) -> Iterator[int]:
    """The HTTP port of a worker that the package's own script started, once it is ready; then its end."""
    port = free_port()
    environment = {**os.environ, "PYTHON": sys.executable, "BANDS_REDIS__URL": url}
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [package / "scripts" / "start.sh", "--http-port", str(port)],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
        )
    try:
        wait_until(lambda: worker.poll() is not None or ready(port))
        assert worker.poll() is None, (folder / "worker.log").read_text()
        yield port
    finally:
        worker.terminate()
        code = worker.wait(20)
    assert code == 0, (folder / "worker.log").read_text()


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "expected it within 60 s"
        time.sleep(0.05)


def test_an_empty_registry_is_not_called_one_that_is_down(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="publish it with `bands publish`"):
        find_champion(sqlite_uri(tmp_path), "champion")
