"""The grid-searched model: walked forward over the same windows, and trained, in case the tuned one fails."""

from __future__ import annotations

from typing import Any

from offline.dataset import Progress
from offline.tracking import track_training, track_validation
from offline.validate import validate
from offline.validate.run import PREDICTIONS, RESULTS
from ops.pipeline.stage import Done, Stage
from ops.pipeline.stages.validate import coverage_and_ratio, walk_forward_told
from ops.pipeline.work import Work
from ops.security.signing import sign_if_configured
from ops.training import train_bundle


def _inputs(work: Work) -> dict[str, Any]:
    return walk_forward_told(work) | {"version": work.options.contingency_version}


def _run(work: Work, progress: Progress) -> Done:
    plan, max_gap_bars = work.contingency_plan, work.settings.train.max_gap_bars
    validation = validate(
        work.histories,
        work.contingency,
        settings=work.walk_forward,
        train_settings=plan,
        leader=work.leader,
        max_gap_bars=max_gap_bars,
        progress=progress,
    )
    trained = train_bundle(
        work.histories,
        work.bundles,
        version=work.options.contingency_version,
        settings=plan,
        leader=work.leader,
        max_gap_bars=max_gap_bars,
        progress=progress,
    )
    sign_if_configured(trained.folder, work.settings)
    track_validation(work.registry, validation.results, work.contingency / RESULTS)
    track_training(work.registry, trained.bundle, trained.folder)
    files = [work.contingency / RESULTS, work.contingency / PREDICTIONS, trained.folder]
    return Done(files, f"{trained.bundle.label}; {coverage_and_ratio(validation.results)}")


CONTINGENCY = Stage("contingency", ("grid", "calibrate"), _inputs, _run, asked=lambda work: work.options.grid)
