"""Publishing to an MLflow server, and serving from it: no folder is shared but the server's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import free_port
from tests.market import TestMarket
from worker.registry import RegistrySettings, fetch_lineup

pytestmark = [pytest.mark.xdist_group("registry"), pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/db",
        "--artifacts-destination",
        f"{tmp_path}/kept",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("mlflow"), "server", *words],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_is_published_over_http_is_what_a_worker_fetches(
    server: str, market: TestMarket, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = ["publish", str(market.folder), "--tracking-uri", server, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", *words], cwd=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["is_new"], "standard output is one JSON document and nothing else"
    assert not any(home.iterdir()), "files go to the server"
    fetched = asyncio.run(fetch_lineup(RegistrySettings(server, tmp_path / "cache")))
    assert fetched.champion is not None
    assert fetched.champion.sha256 == market.bundle.sha256
