"""The walk-forward, as it would have run live, and purged cross-validation."""

from __future__ import annotations

from typing import Any

from contracts.model.grid import iso
from offline.dataset import Progress
from offline.tracking import track_validation
from offline.validate import CpcvSettings, validate
from offline.validate.cpcv import METHOD as CPCV_METHOD
from offline.validate.run import METHOD, PREDICTIONS, RESULTS
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work


def walk_forward_told(work: Work) -> dict[str, Any]:
    """The inputs of any walk-forward of this run."""
    calendar = work.walk_forward.to_json()
    return {
        "bars": work.bars_told(),
        "leader": work.leader,
        "window": calendar["window_days"],
        "step": calendar["step_days"],
        "start": iso(work.start),
        **work.training_told(),
        "validation method": METHOD,
    }


def coverage_and_ratio(results: dict[str, Any]) -> str:
    """Pooled coverage and pinball ratio of every horizon, in a line."""
    told = []
    for name, scopes in results["overall"].items():
        pooled = scopes["pooled"]
        coverage, ratio = pooled["coverage_90"]["value"], pooled["pinball_to_har_rv"]["value"]
        cells = ("–" if coverage is None else f"{coverage:.1%}", "–" if ratio is None else f"{ratio:.3f}")
        told.append(f"{name} {cells[0]} {cells[1]}")
    return "coverage of the 90 % band, pinball / HAR-RV: " + ", ".join(told)


def _inputs(work: Work) -> dict[str, Any]:
    return walk_forward_told(work) | {"cross-validation": {**CpcvSettings().to_json(), "method": CPCV_METHOD}}


def _run(work: Work, progress: Progress) -> Done:
    validation = validate(
        work.histories,
        work.validation,
        settings=work.walk_forward,
        train_settings=work.plan,
        leader=work.leader,
        cpcv=CpcvSettings(),
        max_gap_bars=work.settings.train.max_gap_bars,
        progress=progress,
    )
    track_validation(work.registry, validation.results, work.validation / RESULTS)
    reused, windows = validation.reused_windows, len(validation.results["windows"])
    said = f"windows: {windows}, {reused} reused; {coverage_and_ratio(validation.results)}"
    return Done([work.validation / RESULTS, work.validation / PREDICTIONS], said)


VALIDATE = Stage("validate", ("hpo", "calibrate"), _inputs, _run)
