"""Training as a command: bars in, a bundle folder out, reused when nothing has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.model.bundle import Bundle, load_bundle
from contracts.model.candle import History
from contracts.model.intake import DEFAULT_MAX_GAP_BARS
from contracts.model.spec import FeatureSpec
from offline.dataset import Progress, build_dataset, no_progress
from offline.drift import DriftPlan
from offline.train import TrainPlan, TrainSettings, train, training_key, write_trained

DEFAULT_LEADER = "BTCUSDT"
"""The market's leader: with several symbols and this one among them, its features join every row."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A bundle on disk. `reused` when the same bars and settings had been trained before."""

    folder: Path
    bundle: Bundle
    reused: bool


def choose_leader(symbols: Sequence[str], asked: str | None) -> str | None:
    """The leader asked for (`none` for none), or BTCUSDT where it is one of several symbols.

    Raises:
        ValueError: the leader asked for is not among the symbols.
    """
    if asked is not None and asked.lower() == "none":
        return None
    if asked is not None:
        if asked not in symbols:
            raise ValueError(f"expected --leader to be one of {', '.join(symbols)} or none, found {asked}")
        return asked
    return DEFAULT_LEADER if len(symbols) > 1 and DEFAULT_LEADER in symbols else None


def train_bundle(
    histories: Sequence[History],
    bundles: Path,
    *,
    version: str,
    settings: TrainPlan | TrainSettings | None = None,
    leader: str | None = None,
    max_gap_bars: int = DEFAULT_MAX_GAP_BARS,
    alarms_per_year: float = 1.0,
    out: Path | None = None,
    progress: Progress = no_progress,
) -> Trained:
    """Train a bundle, or find the one already trained on the same bars with the same settings.

    Its drift thresholds are calibrated to `alarms_per_year` false alarms per symbol.

    Its folder is `out`, or a name under `bundles` made of the version and a hash of the input.

    Raises:
        ValueError: too little history.
        BundleError: a folder is there that is not a whole bundle.
    """
    settings = TrainPlan.of(settings)
    drift = DriftPlan(alarms_per_year)
    key = training_key(histories, settings, leader, max_gap_bars)
    if drift != DriftPlan():
        key = hashlib.sha256(f"{key} {alarms_per_year!r}".encode()).hexdigest()[: len(key)]
    folder = out or bundles / f"{version}-{key}"
    if folder.exists() and out is None:
        return Trained(folder, load_bundle(folder, accelerate=False), reused=True)
    if folder.exists():
        raise FileExistsError(f"expected no folder at {folder}, found one; choose another --out or remove it")
    spec = FeatureSpec(leader=leader)
    dataset = build_dataset(histories, spec, max_gap_bars=max_gap_bars, progress=progress)
    heads = train(dataset, settings, progress)
    write_trained(folder, heads, dataset, histories, settings, version=version, drift=drift)
    return Trained(folder, load_bundle(folder, accelerate=False), reused=False)
