"""A training run as MLflow has it: what trained a bundle, on which bars, and what it scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.model.bundle import Bundle
from contracts.model.bundle.folder import MANIFEST
from contracts.model.grid import HORIZONS
from contracts.registry import SHA256_TAG
from offline.registry.horizon import horizon_metrics, horizon_params, hpo_tag
from offline.registry.runs import flat
from offline.tracking.experiment import Registry
from offline.tracking.numbers import numbers
from offline.tracking.run import tracked_run


def track_training(place: Registry, bundle: Bundle, folder: Path) -> str:
    """Log the training of the bundle in `folder`, once for the same bytes; the id of its run.

    Params and metrics are those of the published models, under `T42.` … `T60.`.

    Raises:
        RegistryError: the registry can not be reached or refuses; the same call again completes the run.
    """
    manifest = bundle.manifest
    spans = manifest.training.values()
    about = {
        "version": manifest.version,
        "symbols": ",".join(manifest.symbols),
        "leader": manifest.features.leader,
        "features_sha256": manifest.features.sha256,
        "max_gap_bars": manifest.max_gap_bars,
        "first_open_time": min(span.first_open_time for span in spans).isoformat(),
        "last_open_time": max(span.last_open_time for span in spans).isoformat(),
        "bars": sum(span.bars for span in spans),
    }
    told: dict[str, Any] = {f"T{horizon}": horizon_params(bundle, horizon) for horizon in HORIZONS}
    scores: dict[str, Any] = {f"T{horizon}": horizon_metrics(bundle, horizon) for horizon in HORIZONS}
    return tracked_run(
        place,
        f"train-{bundle.sha256}",
        f"train-{bundle.label}",
        params=about | flat(told),
        metrics=numbers(scores),
        tags={"stage": "training", "hpo": hpo_tag(bundle, *HORIZONS), SHA256_TAG: bundle.sha256},
        artifacts=[folder / MANIFEST],
    )
