"""A worker as a child process: started, waited for until ready, stopped."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

START_S = 180.0
"""Fetching a champion from a cold registry takes 5 s here; a slow disk may take ten times that."""
ANSWER_S = 30.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A worker beside us is asked without the proxy that the environment may name."""


class WorkerProcessError(RuntimeError):
    """The worker ended, or did not become ready."""


class WorkerProcess:
    """`bands worker` against one server, logging to a file; stopped on leaving the context."""

    def __init__(
        self,
        url: str,
        http_port: int,
        log: Path,
        *,
        bundle: Path | None = None,
        tracking_uri: str | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self._http = f"http://127.0.0.1:{http_port}"
        self._log = log
        # URLs may hold credentials; arguments are for all to see.
        self._env = {**os.environ, **(env or {}), "BANDS_REDIS__URL": url}
        self._command = [sys.executable, "-m", "ops.cli", "worker", "--http-port", str(http_port)]
        if bundle is not None:
            self._command += ["--bundle", str(bundle)]
        if tracking_uri is not None:
            self._env["BANDS_REGISTRY__TRACKING_URI"] = tracking_uri
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError before `start`."""
        if self._process is None:
            raise RuntimeError("expected a started worker, found none; call start() first")
        return self._process.pid

    def start(self) -> None:
        """Start it and return at once."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._env)

    def wait_ready(self, timeout_s: float = START_S) -> None:
        """Wait until it serves.

        Raises:
            WorkerProcessError: it ended, or is not ready in time; the last lines of its log are told.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                code = self._process.returncode if self._process else None
                raise WorkerProcessError(
                    f"expected a running worker, found exit code {code}; {self._last_lines()}"
                )
            if self.report().get("ready"):
                return
            time.sleep(0.05)
        problems = "; ".join(self.report().get("problems", ["no answer"]))
        raise WorkerProcessError(
            f"expected a ready worker within {timeout_s:.0f} s, found: {problems}; {self._last_lines()}"
        )

    def report(self) -> dict[str, Any]:
        """What `/ready` says; empty when it does not answer."""
        try:
            try:
                answer = DIRECT.open(f"{self._http}/ready", timeout=ANSWER_S)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                told: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        return told

    def memory_mb(self) -> float:
        """Resident memory in MB."""
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self, timeout_s: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM it, wait, and return its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-5:]
        return f"its log {self._log} ends: " + " | ".join(lines)

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
