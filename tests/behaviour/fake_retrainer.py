"""A retrainer process with a job that takes no time: `python -m tests.behaviour.fake_retrainer`.

Service, server and process are the real ones; the job does what a request's reason says.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from contracts.errors import UnavailableError
from contracts.events import RetrainRequest
from offline.retrain import Report, Result, RetrainerConfig, Stage, leave, run_folder, serve

STAGES: tuple[tuple[Stage, int], ...] = (("tuning", 10), ("validating", 30), ("training", 60), ("gates", 90))
SHORT: dict[str, Any] = {
    "schedule_day": None, "lease_ttl_ms": 500, "sweep_interval_s": 0.1, "retry_s": 0.1, "block_ms": 100,
}  # fmt: skip
STEP_S = float(os.environ.get("FAKE_STEP_S", "0.01"))
KILL_AT = json.loads(os.environ.get("FAKE_KILL_AT", "[]"))
"""After this many steps of all runs, or a moment later, the process kills itself."""


def job(request: RetrainRequest, workspace: Path, report: Report) -> Result:
    """Ten steps a stage, each finished one remembered by a file; then one line in the registry."""
    folder = run_folder(workspace, request.id)
    folder.mkdir(parents=True, exist_ok=True)
    with (workspace / "one-at-a-time").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where two runs meet
        with (workspace / "starts").open("a") as starts:
            starts.write(f"{request.id} {os.getpid()}\n")
        _misbehave(request, folder)
        for stage, begin in STAGES:
            for step in range(10):
                report(stage, (begin + step) / 100, f"step {step}")
                done = folder / f"{stage}-{step}"
                if not done.exists():
                    time.sleep(STEP_S)
                    done.touch()
                    if len(list(workspace.glob("retrain/runs/*/*-*"))) in KILL_AT:
                        soon = random.random() * 2 * STEP_S
                        threading.Timer(soon, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if request.reason == "no-go":
            return Result(f"made-{request.id}", go=False, detail="no-go: out_of_sample.coverage_90")
        registry = workspace / "registry"
        known = registry.read_text().splitlines() if registry.exists() else []
        if request.id not in known:
            with registry.open("a") as lines:
                lines.write(f"{request.id}\n")
    return Result(f"made-{request.id}", go=True, detail="made", version="7", alias="challenger")


def _misbehave(request: RetrainRequest, folder: Path) -> None:
    if request.reason == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.reason == "raise":
        raise OSError("no space left on device")
    away = folder / "away"
    if request.reason == "registry away" and not away.exists():
        away.touch()
        raise UnavailableError("expected an answer of the registry, found none")


def champion_of(workspace: Path) -> str | None:
    """The label in the file `champion`."""
    file = workspace / "champion"
    return file.read_text() if file.exists() else None


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    workspace = Path(os.environ["BANDS_WORKSPACE"])
    workspace.mkdir(parents=True, exist_ok=True)
    # As `bands retrainer` makes it of the settings, without the seconds that importing the pipeline takes.
    config = RetrainerConfig(
        redis_url=os.environ["BANDS_REDIS__URL"],
        workspace=workspace,
        **SHORT | json.loads(sys.argv[1]),
    )
    leave(asyncio.run(serve(config, job, lambda: champion_of(workspace))))


if __name__ == "__main__":
    main()
