"""How long one band takes, how many a second there are, and what a loaded bundle weighs.

The result, schema `inference/1`:

| key | holds |
| --- | --- |
| `bundle`, `bundle_sha256`, `symbol`, `rows` | what was asked, of which symbol, how many single rows |
| `accelerated` | whether numba walked the trees, as it would in a worker of this environment |
| `horizons` | `T42` … → mean_ms, p50_ms, p95_ms, p99_ms of one row's band of that horizon alone |
| `all_horizons` | the same for one row's four bands at once, which is what a worker asks for |
| `predictions_per_s` | rows a second: `single`, and `batch` (all rows in one call, without calibration) |
| `memory_mb` | resident memory of a fresh process that loaded the bundle, 10⁶ bytes |
| `packed_vs_booster` | mean ms a row of 20 × `Booster.predict`, of both packed forests, their ratios |
| `targets` | the requirement (`minimum`), the wish (`ideal`, null for none), measured, and whether met |

A single-row time includes blend, rearrangement and calibration; the feature fold is not part of it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import Bundle, load_bundle
from contracts.model.candle import Candle
from contracts.model.context import Context
from contracts.model.features import FeatureRow
from contracts.model.forest import PackedForest
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES
from contracts.model.predictor import model_name
from offline.dataset import Progress
from offline.market import MarketSpec, simulate
from ops.benchmarks.packed import load_boosters, packed_vs_booster
from ops.demo.demo import SIMULATED_SEED, SIMULATED_START, SIMULATED_SYMBOLS
from ops.settings import Settings
from ops.training import train_bundle

INFERENCE_SCHEMA = "inference/1"
TRAINING_BARS = 3_000
WARM_UP_CALLS = 50
BATCH_REPEATS = 5
LATENCY_MS = {"minimum": 1_000.0, "ideal": 500.0}
MEMORY_MB = {"minimum": 2_000.0, "ideal": None}

Times = NDArray[np.float64]


def bench_inference(
    settings: Settings, folder: Path | None, n_rows: int, progress: Progress
) -> dict[str, Any]:
    """Measure the bundle in `folder`, or a small simulated one, on `n_rows` rows folded after its training.

    Raises:
        ValueError: fewer than one row, or a bundle whose first symbol has not warmed up.
        BundleError: the folder is not a bundle.
    """
    if n_rows < 1:
        raise ValueError(f"expected at least one row, found {n_rows}; raise --rows")
    folder = folder or _simulated(settings, progress)
    bundle = load_bundle(folder)
    symbol = bundle.symbols[0]
    rows, context = rows_after_training(bundle, symbol, n_rows)
    boosters = load_boosters(folder, bundle)
    told: dict[str, dict[str, float]] = {}
    for step, head in enumerate(bundle.predictor.heads):
        progress("horizons", step, len(bundle.predictor.heads) + 1)
        alone = _one_horizon(bundle, boosters, head.horizon_bars)
        told[f"T{head.horizon_bars}"] = _milliseconds(_timed(alone, symbol, rows, context))
    together = _timed(bundle, symbol, rows, context)
    progress("horizons", len(bundle.predictor.heads) + 1, len(bundle.predictor.heads) + 1)
    inputs = np.array([_input(row, context, bundle) for row in rows])
    memory_mb = round(resident_bytes(folder) / 1e6, 1)
    whole = _milliseconds(together)
    return {
        "schema": INFERENCE_SCHEMA,
        "bundle": bundle.label,
        "bundle_sha256": bundle.sha256,
        "symbol": symbol,
        "rows": n_rows,
        "accelerated": bundle.predictor.forest.accelerated,
        "horizons": told,
        "all_horizons": whole,
        "predictions_per_s": {
            "single": round(1e9 / float(together.mean())),
            "batch": round(_batch_rows_per_s(bundle, inputs)),
        },
        "memory_mb": memory_mb,
        "packed_vs_booster": packed_vs_booster(folder, boosters, inputs),
        "targets": {
            "latency_ms": _target(max(one["p95_ms"] for one in (*told.values(), whole)), LATENCY_MS),
            "memory_mb": _target(memory_mb, MEMORY_MB),
        },
    }


def rows_after_training(bundle: Bundle, symbol: str, n_rows: int) -> tuple[list[FeatureRow], Context | None]:
    """Feature rows of simulated bars that go on where training stopped, and the leader's newest context.

    Raises:
        ValueError: the symbol had not warmed up at the end of training.
    """
    fold = bundle.states[symbol]
    if fold.last_open_time is None or fold.warm_up_left > 0:
        raise ValueError(
            f"expected {symbol} to be warm at the end of training, found {fold.warm_up_left} bars missing; "
            "train on more bars"
        )
    first = fold.last_open_time + BAR_SECONDS
    bars = simulate(MarketSpec(), SIMULATED_SYMBOLS[:1], n_rows, SIMULATED_START, SIMULATED_SEED)
    rows = []
    for number, bar in enumerate(next(iter(bars.histories.values())).candles()):
        offer = fold.offer(Candle(first + number * BAR_SECONDS, *bar[1:]))
        fold = offer.fold
        if offer.row is not None:
            rows.append(offer.row)
    context = bundle.leader.before(first) if bundle.spec.leader else None
    return rows, context


def resident_bytes(folder: Path) -> int:
    """Resident memory of a fresh process that loaded the bundle.

    Raises:
        RuntimeError: that process did not get so far.
    """
    done = subprocess.run(
        [sys.executable, "-m", "ops.benchmarks.resident", str(folder.resolve())],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"expected a process to load the bundle in {folder}, found: {done.stderr.strip()}")
    return int(done.stdout)


def _simulated(settings: Settings, progress: Progress) -> Path:
    market = simulate(MarketSpec(), SIMULATED_SYMBOLS[:1], TRAINING_BARS, SIMULATED_START, SIMULATED_SEED)
    histories = list(market.histories.values())
    return train_bundle(histories, settings.bundles_path, version="0.1.0-bench", progress=progress).folder


def _one_horizon(bundle: Bundle, boosters: Mapping[str, lgb.Booster], horizon: int) -> Bundle:
    """The bundle as if it had been made of one horizon's five models."""
    whole = bundle.predictor
    dumps = {
        name: boosters[name].dump_model() for name in (model_name(horizon, level) for level in LEVEL_NAMES)
    }
    forest = PackedForest.pack(dumps, whole.forest.n_features, whole.forest.accelerated)
    heads = tuple(head for head in whole.heads if head.horizon_bars == horizon)
    return replace(bundle, predictor=replace(whole, forest=forest, heads=heads))


def _input(row: FeatureRow, context: Context | None, bundle: Bundle) -> NDArray[np.float64]:
    if bundle.spec.leader is None or context is None:
        return row.values
    return np.concatenate((row.values, context.values))


def _timed(bundle: Bundle, symbol: str, rows: list[FeatureRow], context: Context | None) -> Times:
    """Nanoseconds of each row's prediction, after a few that are not counted."""
    for row in rows[:WARM_UP_CALLS]:
        bundle.predict(symbol, row, context)
    times = np.empty(len(rows))
    for number, row in enumerate(rows):
        began = perf_counter_ns()
        bundle.predict(symbol, row, context)
        times[number] = perf_counter_ns() - began
    return times


def _milliseconds(times: Times) -> dict[str, float]:
    p50, p95, p99 = np.quantile(times, [0.50, 0.95, 0.99]) / 1e6
    return {
        "mean_ms": round(float(times.mean()) / 1e6, 4),
        "p50_ms": round(float(p50), 4),
        "p95_ms": round(float(p95), 4),
        "p99_ms": round(float(p99), 4),
    }


def _batch_rows_per_s(bundle: Bundle, inputs: NDArray[np.float64]) -> float:
    """The best of a few goes: what else the machine does must not count."""
    predictor = bundle.predictor
    best = float("inf")
    for _ in range(BATCH_REPEATS):
        began = perf_counter_ns()
        corrections = predictor.corrections(inputs)
        for number, head in enumerate(predictor.heads):
            head.standardised(corrections[:, number], bundle.symbols[0])
        best = min(best, perf_counter_ns() - began)
    return 1e9 * len(inputs) / best


def _target(measured: float, target: Mapping[str, float | None]) -> dict[str, Any]:
    minimum, ideal = target["minimum"], target["ideal"]
    return {
        "minimum": minimum,
        "ideal": ideal,
        "measured": measured,
        "met": minimum is not None and measured < minimum,
        "ideal_met": None if ideal is None else measured < ideal,
    }
