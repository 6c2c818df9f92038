"""How fast a worker answers, and what it weighs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.dataset import Progress
from offline.market import MarketSpec, simulate
from ops.demo.demo import SIMULATED_SEED, SIMULATED_START, SIMULATED_SYMBOLS
from ops.replay import Replay, merge_bars
from ops.session import fresh_session
from ops.settings import Settings
from ops.training import train_bundle

TRAINING_BARS = 3_000


def bench_worker(settings: Settings, bundle: Path | None, n_bars: int, progress: Progress) -> dict[str, Any]:
    """Latency of `n_bars` bars one at a time, then throughput of as many in bulk, then memory.

    Latency is from XADD to having read all four records over TCP, milliseconds.
    """
    market = simulate(
        MarketSpec(), SIMULATED_SYMBOLS[:1], TRAINING_BARS + 2 * n_bars, SIMULATED_START, SIMULATED_SEED
    )
    whole = next(iter(market.histories.values()))
    cut = SIMULATED_START + TRAINING_BARS * BAR_SECONDS
    middle = cut + n_bars * BAR_SECONDS
    if bundle is None:
        training = [whole.between(None, cut)]
        bundle = train_bundle(
            training, settings.bundles_path, version="0.1.0-bench", progress=progress
        ).folder
    else:
        whole, cut, middle = _continue(whole, bundle, n_bars)
    with fresh_session(settings.workspace_path / "bench", settings, bundle=bundle) as session:
        replay = Replay(session.server.url)
        slow = replay.run(
            merge_bars([whole.between(cut, middle)]),
            one_by_one=True,
            progress=lambda done, total: progress("one at a time", done, total),
        )
        began = perf_counter()
        fast = replay.run(
            merge_bars([whole.between(middle, None)]),
            progress=lambda done, total: progress("in bulk", done, total),
        )
        bulk_s = perf_counter() - began
        memory = session.worker.memory_mb()
        replay.close()
    latency = np.array(slow.latencies_s) * 1_000
    return {
        "bars": slow.pushed,
        "records": len(slow.records) + len(fast.records),
        "latency_mean_ms": round(float(latency.mean()), 2),
        "latency_p50_ms": round(float(np.quantile(latency, 0.50)), 2),
        "latency_p95_ms": round(float(np.quantile(latency, 0.95)), 2),
        "latency_p99_ms": round(float(np.quantile(latency, 0.99)), 2),
        "bulk_bars_per_s": round(fast.pushed / bulk_s),
        "worker_memory_mb": round(memory, 1),
    }


def _continue(history: History, bundle: Path, n_bars: int) -> tuple[History, int, int]:
    """The simulated bars as if they went on where the bundle's first symbol stopped."""
    from contracts.model.bundle import load_bundle

    loaded = load_bundle(bundle, accelerate=False)
    symbol = loaded.symbols[0]
    last = loaded.states[symbol].last_open_time or 0
    start = last + BAR_SECONDS
    shifted = replace(
        history,
        symbol=symbol,
        open_time=start + BAR_SECONDS * np.arange(len(history), dtype=np.int64),
    ).between(None, start + 2 * n_bars * BAR_SECONDS)
    return shifted, start, start + n_bars * BAR_SECONDS
