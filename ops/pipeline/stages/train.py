"""The bundle, trained on all bars."""

from __future__ import annotations

from typing import Any

from offline.dataset import Progress
from offline.tracking import track_training
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work
from ops.security.signing import sign_if_configured
from ops.training import train_bundle


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "bars": work.bars_told(),
        "leader": work.leader,
        "version": work.options.version,
        "alarms_per_year": work.settings.train.alarms_per_year,
        **work.training_told(),
    }


def _run(work: Work, progress: Progress) -> Done:
    trained = train_bundle(
        work.histories,
        work.bundles,
        version=work.options.version,
        settings=work.plan,
        leader=work.leader,
        max_gap_bars=work.settings.train.max_gap_bars,
        alarms_per_year=work.settings.train.alarms_per_year,
        progress=progress,
    )
    sign_if_configured(trained.folder, work.settings)
    track_training(work.registry, trained.bundle, trained.folder)
    bars = sum(map(len, work.histories))
    verb = "found" if trained.reused else "trained"
    symbols = ", ".join(trained.bundle.symbols)
    return Done([trained.folder], f"{verb} {trained.bundle.label} on {bars:,} bars of {symbols}")


TRAIN = Stage("train", ("hpo", "calibrate"), _inputs, _run)
