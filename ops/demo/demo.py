"""The whole loop in one run: train, publish, serve, replay, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from contracts.events import Band
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.dataset import Progress
from offline.market import MarketSpec, simulate
from offline.registry import Published, publish
from ops.demo.chart import write_chart
from ops.replay import Replay, merge_bars
from ops.scorecard import HorizonScore, score
from ops.session import fresh_session
from ops.settings import Settings
from ops.training import Trained, train_bundle

SIMULATED_SYMBOLS = ("SIMBTC", "SIMETH")
SIMULATED_START = 1_483_228_800  # 2017-01-01
SIMULATED_BARS = 8 * 365 * 6
SIMULATED_SEED = 2024
DEFAULT_CUT = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Demo:
    """What one run produced. Latencies are milliseconds from a bar's XADD to its four records read."""

    trained: Trained
    published: Published
    scores: list[HorizonScore]
    bars: int
    dead: int
    latency_p50_ms: float
    latency_p99_ms: float
    worker_mb: float
    server_folder: Path
    records_file: Path
    chart: Path


def simulated_histories() -> list[History]:
    """Eight years of a simulated market, two symbols; the same on every run."""
    market = simulate(MarketSpec(), SIMULATED_SYMBOLS, SIMULATED_BARS, SIMULATED_START, SIMULATED_SEED)
    return list(market.histories.values())


def run_demo(
    histories: Sequence[History],
    settings: Settings,
    *,
    cut: int = DEFAULT_CUT,
    until: int | None = None,
    leader: str | None = None,
    progress: Progress,
) -> Demo:
    """Train on bars that close by `cut` (epoch seconds), serve and judge the ones after, up to `until`.

    What was trained or published before on the same bars is reused. Every bar goes through a real
    worker on a real server, one at a time.

    Raises:
        ValueError: no bars on one side of `cut`, or too few to train on.
    """
    before = [history.between(None, cut) for history in histories]
    # Labels of the last bands need bars beyond `until`: they are judged on, never pushed.
    after = [history.between(cut, until) for history in histories]
    if not all(map(len, before)) or not any(map(len, after)):
        spans = {h.symbol: (len(b), len(a)) for h, b, a in zip(histories, before, after, strict=True)}
        raise ValueError(
            f"expected bars of every symbol before the cut and some after it, found (before, after) {spans}; "
            "choose another --cut"
        )
    trained = train_bundle(before, settings.bundles_path, version="0.1.0", leader=leader, progress=progress)
    published = publish(
        trained.folder,
        settings.registry_uri,
        artifacts=None if settings.registry.tracking_uri else settings.mlflow_path / "artifacts",
        progress=progress,
    )
    folder = settings.workspace_path / "demo"
    with fresh_session(folder, settings) as session:
        replay = Replay(session.server.url)
        replayed = replay.run(
            merge_bars(after),
            one_by_one=True,
            progress=lambda done, total: progress("replaying through the worker", done, total),
        )
        replay.close()
        worker_mb = session.worker.memory_mb()
    write_atomic(folder / "bands.jsonl", b"".join(line + b"\n" for line in replayed.records))
    records = [Band.from_wire(line) for line in replayed.records]
    latencies = np.array(replayed.latencies_s) * 1_000
    return Demo(
        trained,
        published,
        score(records, histories, cut),
        replayed.pushed,
        len(replayed.dead),
        float(np.quantile(latencies, 0.50)),
        float(np.quantile(latencies, 0.99)),
        worker_mb,
        folder / "server",
        folder / "bands.jsonl",
        write_chart(folder / "bands.html", records, histories),
    )


def last_close(histories: Sequence[History]) -> int:
    """The last close of all symbols, epoch seconds."""
    return int(max(history.open_time[-1] for history in histories)) + BAR_SECONDS
