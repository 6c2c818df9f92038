"""Trained heads as a bundle folder, and the key by which the same input is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import FeatureSpecRef, HeadSpec, Manifest, TrainingData, write_bundle
from contracts.model.bundle.folder import CALIBRATORS, FOREST, LEADER, REFERENCE, state_path
from contracts.model.candle import History
from contracts.model.forest import PackedForest
from contracts.model.grid import LEVEL_NAMES, LEVELS
from contracts.model.intake import DEFAULT_MAX_GAP_BARS
from contracts.model.predictor import model_name
from contracts.model.snapshot import dump_leader, dump_symbol
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset
from offline.drift import DriftPlan, Issued, calibrate_drift
from offline.ingest import history_sha256
from offline.train.importance import gain_shares
from offline.train.plan import TrainPlan
from offline.train.reference import encode_reference
from offline.train.settings import TrainSettings
from offline.train.train import TrainedHead

METHOD = "correction of shrunken quantiles, cross-fitted, watched for drift, 4"
"""Raise the number when the same input trains to another bundle, so that old ones are not reused."""

VERIFIED_ROWS = 2_000
"""Training rows on which the packed forest must equal LightGBM bit for bit before a bundle is written."""


def write_trained(
    folder: Path,
    heads: Sequence[TrainedHead],
    dataset: Dataset,
    histories: Sequence[History],
    settings: TrainPlan | TrainSettings,
    *,
    version: str,
    extra_metrics: dict[str, Any] | None = None,
    drift: DriftPlan | None = None,
) -> Path:
    """Write the bundle folder of trained heads, with drift thresholds calibrated on their held-out rows.

    Raises:
        FileExistsError: the folder exists.
        RuntimeError: the packed forest does not equal LightGBM bit for bit.
    """
    boosters = {
        model_name(trained.head.horizon_bars, level): booster
        for trained in heads
        for level, booster in zip(LEVEL_NAMES, trained.boosters, strict=True)
    }
    spec = dataset.spec
    forest = PackedForest.pack({n: b.dump_model() for n, b in boosters.items()}, len(spec.names))
    _assert_equal(forest, boosters, dataset.rows)
    files = {f"models/{name}.txt": booster.model_to_string().encode() for name, booster in boosters.items()}
    files[FOREST] = forest.to_bytes()
    calibrators = {
        f"T{t.head.horizon_bars}": {name: one.to_json() for name, one in t.head.calibrators.items()}
        for t in heads
    }
    files[CALIBRATORS] = (json.dumps(calibrators, indent=2, sort_keys=True) + "\n").encode()
    issued = [Issued.of(t.held_out, t.head.calibrators) for t in heads]
    watch, null = calibrate_drift(issued, dataset, histories, drift or DriftPlan())
    files[REFERENCE] = encode_reference(dataset.rows, spec.names, null)
    files |= {state_path(symbol): dump_symbol(fold) for symbol, fold in dataset.states.items()}
    if spec.leader is not None:
        files[LEADER] = dump_leader(dataset.leader)
    manifest = Manifest(
        version=version,
        levels=LEVELS,
        symbols=dataset.symbols,
        features=FeatureSpecRef(leader=spec.leader, names=spec.names, sha256=spec.sha256),
        heads=tuple(
            HeadSpec(
                horizon_bars=t.head.horizon_bars,
                empirical={name: _levels(levels) for name, levels in t.head.empirical.items()},
                weight=t.head.weight,
                median_shrink=t.head.median_shrink,
                calibrator=next(iter(t.head.calibrators.values())).method,
            )
            for t in heads
        ),
        training={history.symbol: _training_data(history) for history in histories},
        max_gap_bars=dataset.max_gap_bars,
        params=TrainPlan.of(settings).to_json(),
        metrics={f"T{t.head.horizon_bars}": t.metrics for t in heads} | (extra_metrics or {}),
        drift=watch,
        importance={f"T{t.head.horizon_bars}": gain_shares(t.boosters) for t in heads},
        files={},
    )
    return write_bundle(folder, manifest, files)


def training_key(
    histories: Sequence[History],
    settings: TrainPlan | TrainSettings,
    leader: str | None,
    max_gap_bars: int = DEFAULT_MAX_GAP_BARS,
) -> str:
    """What decides a training run's result: bars, settings, features and method, as 12 hexadecimal digits."""
    told = {
        "bars": {history.symbol: history_sha256(history) for history in histories},
        "settings": TrainPlan.of(settings).to_json(),
        "features": FeatureSpec(leader=leader).sha256,
        "max_gap_bars": max_gap_bars,
        "method": METHOD,
        "lightgbm": lgb.__version__,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _levels(levels: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    q05, q25, q50, q75, q95 = levels.tolist()
    return q05, q25, q50, q75, q95


def _assert_equal(forest: PackedForest, boosters: dict[str, lgb.Booster], rows: NDArray[np.float64]) -> None:
    sample = rows[:: max(1, len(rows) // VERIFIED_ROWS)]
    packed = forest.predict(sample)
    for column, (name, booster) in enumerate(boosters.items()):
        if not np.array_equal(packed[:, column], booster.predict(sample, num_threads=1)):
            raise RuntimeError(
                f"expected the packed forest to equal LightGBM bit for bit, found {name} to differ"
            )


def _training_data(history: History) -> TrainingData:
    return TrainingData(
        first_open_time=datetime.fromtimestamp(int(history.open_time[0]), UTC),
        last_open_time=datetime.fromtimestamp(int(history.open_time[-1]), UTC),
        bars=len(history),
        sha256=history_sha256(history),
    )
