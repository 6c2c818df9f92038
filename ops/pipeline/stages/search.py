"""HPO and the plain grid beside it, on the bars to tune on, logged to the registry."""

from __future__ import annotations

from functools import partial
from typing import Any

import optuna

from contracts.model.grid import HORIZONS
from offline.dataset import Progress
from offline.hpo import SearchPlan, StudyProgress, ThermalGuard, plan_workers
from offline.hpo.search import METHOD
from offline.hpo.space import describe_space
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work
from ops.tuning import tune


def _plan(work: Work, *, grid: bool) -> SearchPlan:
    starts = {} if grid else dict(work.options.search_from or {})
    trials = max(1, work.options.trials)
    return SearchPlan(trials=trials, seed=work.settings.train.seed, grid=grid, starts=starts)


def _inputs(work: Work, *, grid: bool) -> dict[str, Any]:
    plan = _plan(work, grid=grid)
    starts = {f"T{horizon}": dict(point) for horizon, point in plan.starts.items()}
    return {
        "bars": work.bars_told(work.tuning),
        "leader": work.tuning_leader,
        "trials": plan.n_trials,
        "search": {
            "folds": plan.folds,
            "embargo_bars": plan.embargo_bars,
            "space": describe_space(grid=grid),
        },
        **work.training_told(),
        **({"starting points": starts} if starts else {}),
        "search method": f"{METHOD}; optuna {optuna.__version__}",
    }


def _run(work: Work, progress: Progress, *, grid: bool) -> Done:
    plan = _plan(work, grid=grid)

    def on_progress(state: StudyProgress) -> None:
        progress(f"T{state.horizon} trials", state.finished, state.total)

    workers = plan_workers(work.settings.train.threads)
    tuned = tune(
        work.tuning_dataset,
        work.tuning,
        HORIZONS,
        plan,
        work.hpo,
        ThermalGuard(workers),
        replace=True,
        on_progress=on_progress,
    )
    for _ in tuned.log(work.registry):
        pass
    results = tuned.results
    told = ", ".join(
        f"T{one['horizon_bars']} {one['best_pinball']:.5f} ({one['baseline']['ratio_of_best'] - 1:+.2%})"
        for one in results
    )
    pruned = sum(one["n_pruned"] for one in results)
    return Done(
        tuned.files,
        f"trials a horizon: {plan.n_trials}, {pruned} pruned in all; best pinball (to defaults) {told}",
    )


HPO = Stage(
    "hpo",
    (),
    partial(_inputs, grid=False),
    partial(_run, grid=False),
    asked=lambda work: work.options.trials > 0,
    shares=True,
)
GRID = Stage(
    "grid",
    (),
    partial(_inputs, grid=True),
    partial(_run, grid=True),
    asked=lambda work: work.options.grid,
    shares=True,
)
