"""A simulated desk to look at: a market, a worker, drift, a challenger, a release, a refused bar.

Market and retraining are simulated and end now; the server, the registry, the worker and everything it says
are real.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from contracts.events import RetrainRequest, RetrainStatus
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import FeatureSpec
from contracts.topics import GROUP, RETRAIN_STATUS, Topics
from offline.dataset import build_dataset
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from offline.registry import publish
from offline.train import TrainSettings, train, write_trained
from ops.embedded import EmbeddedServer, free_port
from ops.release import Releases
from ops.replay import merge_bars
from ops.settings import Settings
from ops.worker_process import WorkerProcess

SYMBOLS = ("SIMBTC", "SIMETH", "SIMSOL")
TRAINING_BARS, LIVE_BARS, BREAK = 3_500, 1_200, 1_130
SEED = 11
LAST_ONES = 60
"""Bars of each symbol that come close by close, as in life."""
WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and worker, and the settings a dashboard needs to see them."""

    settings: Settings
    port: int
    """Of the worker's HTTP side."""
    client: Any
    worker: WorkerProcess
    left: list[bytes]
    """Bars that are still to come, as sent."""


@contextmanager
def stage(folder: Path, say: Callable[[str], None], *, kept_back: int = 0) -> Iterator[Stage]:
    """Set the scene under `folder`; about a minute. `kept_back` bars of each symbol are not sent yet.

    Raises:
        WorkerProcessError: the worker does not become ready.
        TimeoutError: it does not take the bars.
    """
    end = int(time.time()) // BAR_SECONDS * BAR_SECONDS
    start = end - (TRAINING_BARS + LIVE_BARS) * BAR_SECONDS
    breaks = [(TRAINING_BARS + BREAK, 2.2)]
    count = TRAINING_BARS + LIVE_BARS
    market = simulate(MarketSpec(), SYMBOLS, count, start, SEED, breaks=breaks).histories
    cut = start + TRAINING_BARS * BAR_SECONDS
    training = [history.between(None, cut) for history in market.values()]
    for history in training:
        write_bars(history, folder / "bars" / f"{history.symbol}_4h.parquet")
    settings = Settings(workspace=folder, registry={"poll_s": 1.0})
    say("training three bundles")
    plans = (("1.0.0", 1, 0.3), ("1.1.0", 8, 0.1), ("1.2.0", 40, 0.05))
    made = [
        _bundle(
            folder / version, training, version, TrainSettings(rounds=rounds, learning_rate=rate, folds=3)
        )
        for version, rounds, rate in plans
    ]
    artifacts = settings.mlflow_path / "artifacts"
    publish(made[0], settings.registry_uri, artifacts=artifacts)
    bars = merge_bars([h.between(cut, None) for h in market.values()], origin="live")
    wires = [bar.to_wire() for bar in bars]
    kept = len(wires) - kept_back * len(SYMBOLS)
    with EmbeddedServer(settings.server_path) as server, Redis.from_url(server.url) as client:
        env = {"BANDS_WORKSPACE": str(folder), "BANDS_REGISTRY__POLL_S": "1"}
        port = free_port()
        worker = WorkerProcess(
            server.url, port, folder / "worker.log", tracking_uri=settings.registry_uri, env=env
        )
        shown = settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": server.url})})
        with worker:
            worker.wait_ready()
            releases = Releases(shown, client)
            rest = wires[:kept]
            for share, bundle, why in (
                (0.15, made[1], "trained on all symbols"),
                (0.4, made[2], "retrained in spring"),
            ):
                cut_at = int(share * len(wires)) // len(SYMBOLS) * len(SYMBOLS)
                done = len(wires[:kept]) - len(rest)
                _pour(client, rest[: cut_at - done])
                rest = rest[cut_at - done :]
                if bundle is made[2]:
                    releases.promote(by="quant", why="as good in shadow, and on fresher bars")
                    _wait(lambda: b"challenger" not in _lineup(client), "the promotion")
                label = publish(bundle, settings.registry_uri, alias=None, artifacts=artifacts).label
                releases.shadow(label, share=0.0, by="quant", why=why)
                _wait(partial(_names, client, label), "the shadow")
                say(f"{label} runs in shadow")
            for bad in (b'{"symbol": "SIMBTC", "open": 1}', wires[0].replace(b'"close":', b'"close":9')):
                client.xadd(Topics().bars, {"data": bad})
            client.xadd(Topics().bars, {"data": wires[5]})
            _retraining(client)
            one_by_one = len(rest) - LAST_ONES * len(SYMBOLS)
            _pour(client, rest[:one_by_one])
            for n in range(one_by_one, len(rest), len(SYMBOLS)):
                _pour(client, rest[n : n + len(SYMBOLS)])
            say("everything is served")
            yield Stage(shown, port, client, worker, wires[kept:])


def _names(client: Any, label: str) -> bool:
    return f'"{label}"'.encode() in _lineup(client)


def _lineup(client: Any) -> bytes:
    return bytes(client.hget(Topics().cursor, "bundle") or b"")


def _bundle(folder: Path, training: list[History], version: str, how: TrainSettings) -> Path:
    dataset = build_dataset(training, FeatureSpec(leader=SYMBOLS[0]))
    return write_trained(folder, train(dataset, how), dataset, training, how, version=version)


def _pour(client: Any, wires: list[bytes]) -> None:
    stream = Topics().bars
    pipe = client.pipeline(transaction=False)
    for wire in wires:
        pipe.xadd(stream, {"data": wire})
    last = pipe.execute()[-1] if wires else b"0-0"

    def taken() -> bool:
        group = next((g for g in client.xinfo_groups(stream) if g["name"].decode() == GROUP), None)
        there = client.hget(Topics().cursor, "entry") or b"0-0"
        return bool(group and not group["pending"] and _order(there) >= _order(last))

    _wait(taken, "the bars to be served")


def _order(entry: bytes) -> tuple[int, int]:
    ms, _, sequence = entry.decode().partition("-")
    return int(ms), int(sequence)


def _retraining(client: Any) -> None:
    """What a retrainer tells of one finished run and one under way."""
    now = datetime.now(UTC).replace(microsecond=0)
    monthly, by_hand = "monthly-1", "by-hand-2"
    for run, age, by, why in (
        (monthly, timedelta(days=20), "schedule", "monthly retraining"),
        (by_hand, timedelta(hours=1), "quant", "volatility has changed for good"),
    ):
        asked = RetrainRequest(id=run, at=now - age, requested_by=by, reason=why)
        client.xadd(Topics().retrain, {"data": asked.to_wire()})
    told: tuple[tuple[str, Any, timedelta, float, str], ...] = (
        (monthly, "accepted", timedelta(days=20), 0.0, ""),
        (monthly, "tuning", timedelta(days=19, hours=22), 0.2, "10 trials a horizon"),
        (monthly, "validating", timedelta(days=19, hours=20), 0.6, "walk-forward over 365 days"),
        (monthly, "registered", timedelta(days=19, hours=18), 1.0, "go: 4 of 4 gates"),
        (by_hand, "accepted", timedelta(minutes=55), 0.0, ""),
        (by_hand, "tuning", timedelta(minutes=20), 0.35, "T48: trial 4 of 10"),
    )
    for run, stage_name, age, progress, detail in told:
        status = RetrainStatus(id=run, at=now - age, stage=stage_name, progress=progress, detail=detail)
        client.xadd(RETRAIN_STATUS, {"data": status.to_wire()})


def _wait(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected {what} within {WAIT_S:.0f} s, found that it did not come about")
        time.sleep(0.01)
