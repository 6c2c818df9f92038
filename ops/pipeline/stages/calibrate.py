"""Which calibrator each horizon ships with, chosen on the bars to tune on."""

from __future__ import annotations

from typing import Any

from offline.calibration import write_optimal
from offline.calibration.compare import BURN_IN_DAYS, CANDIDATES
from offline.calibration.optimal import RULE
from offline.dataset import Progress
from ops.cli.calibrate import compare_calibrators
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "bars": work.bars_told(work.tuning),
        "leader": work.tuning_leader,
        "candidates": {
            "labels": [choice.label for choice in CANDIDATES],
            "rule": RULE,
            "burn_in_days": BURN_IN_DAYS,
        },
        **work.training_told(),
    }


def _run(work: Work, progress: Progress) -> Done:
    told = compare_calibrators(
        work.tuning_dataset,
        work.tuning,
        work.tuned_plan,
        threads=work.settings.train.threads,
        progress=progress,
    )
    write_optimal(told, work.calibration)
    chosen = ", ".join(f"{name} {one['label']}" for name, one in told["horizons"].items())
    return Done([work.calibration], chosen)


CALIBRATE = Stage("calibrate", ("hpo",), _inputs, _run, asked=lambda work: work.options.calibrate)
