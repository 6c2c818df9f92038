"""One horizon's study: ask, fit rung by rung, prune between rungs, tell; resumable at any moment.

Trials are serial, the cells of a rung parallel. Whatever a trial needs to know stands in the storage when
it starts, so the trial of a slot is the same whether or not the process died in between. Several machines
may run one study on Redis: each slot is finished once, and what comes out depends on who was when where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from offline.hpo.cells import N_RUNGS, CellGrid, Score
from offline.hpo.claims import LostError, bury, claim, finished, free_slot, slot_of, tell
from offline.hpo.crew import Alone, Crew
from offline.hpo.plan import SearchPlan
from offline.hpo.pool import CellPool
from offline.hpo.sampling import FixedPoint, RungPruner, sampler_seed, tpe
from offline.hpo.settings import TunedSettings, default_settings
from offline.hpo.space import SHRINKS, WEIGHTS, grid_points, settings_at

LOOK_EVERY_S = 0.5
"""How often a run without a free slot looks whether the others are done or dead."""


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """How far a study is. `best` is the best complete trial's standardised pinball, None before one."""

    horizon: int
    finished: int
    total: int
    pruned: int
    best: float | None


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trial of a proxy search, refitted in full."""

    slot: int
    proxy_pinball_standardised: float
    full: Score


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """A finished study: its best point with what it scored, and what it is to be compared with.

    `trials` are the finished ones by slot.
    """

    name: str
    horizon: int
    settings: TunedSettings
    score: Score
    baseline: Score
    empirical: Score
    n_trials: int
    n_pruned: int
    n_failed: int
    sampler_seed: int | None
    finalists: tuple[Finalist, ...]
    rank_correlation: float | None
    best_slot: int
    trials: tuple[FrozenTrial, ...]


OnProgress = Callable[[StudyProgress], None]


def no_report(_: StudyProgress) -> None:
    """Say nothing."""


def run_study(
    storage: BaseStorage,
    name: str,
    cells: CellGrid,
    plan: SearchPlan,
    pool: CellPool,
    on_progress: OnProgress = no_report,
    crew: Crew | None = None,
) -> StudyOutcome:
    """Run the trials that are missing and say what came out.

    Raises:
        StoppedError: the pool was stopped; what was finished is kept.
    """
    crew = crew or Alone()
    pruner: BasePruner = NopPruner() if plan.grid else RungPruner(plan.reduction_factor)
    study = optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)
    baseline, empirical = _references(cells, plan, pool)
    _report(study, cells, plan, on_progress)
    while len(finished(study, plan.n_trials)) < plan.n_trials:
        bury(study, crew)
        if (slot := free_slot(study, plan.n_trials)) is None:
            pool.check()
            time.sleep(LOOK_EVERY_S)
        else:
            study.sampler = _sampler(plan, cells.horizon, slot)
            if (trial := claim(study, storage, slot, crew)) is not None:
                _run_trial(study, trial, cells, plan, pool)
        _report(study, cells, plan, on_progress)
    return _outcome(study, cells, plan, pool, baseline, empirical)


def _sampler(plan: SearchPlan, horizon: int, slot: int) -> BaseSampler:
    if plan.grid:
        return FixedPoint(grid_points()[slot])
    first = plan.first_points(horizon)
    return FixedPoint(first[slot]) if slot < len(first) else tpe(plan.seed, horizon, slot)


def _run_trial(study: Study, trial: Trial, cells: CellGrid, plan: SearchPlan, pool: CellPool) -> None:
    try:
        _fit_trial(study, trial, cells, plan, pool)
    except (LostError, UpdateFinishedTrialError):  # another run has the slot now and will finish it
        return


def _fit_trial(study: Study, trial: Trial, cells: CellGrid, plan: SearchPlan, pool: CellPool) -> None:
    settings = settings_at(trial.params, plan.seed)
    fitted = settings.proxy() if plan.proxy else settings
    losses = []
    for rung in range(N_RUNGS):
        losses += cells.rung(fitted, rung, pool)
        score = Score.best(losses)
        trial.report(score.pinball_standardised, rung + 1)
        if rung + 1 < N_RUNGS and trial.should_prune():
            tell(study, trial, None)
            return
    trial.set_user_attr("score", asdict(score))
    tell(study, trial, score.pinball_standardised)


def _references(cells: CellGrid, plan: SearchPlan, pool: CellPool) -> tuple[Score, Score]:
    """The default settings with their own share, and the empirical quantiles alone, on the same cells."""
    defaults = default_settings()
    losses = cells.all_rungs(TunedSettings(seed=plan.seed), pool)
    chosen = WEIGHTS.index(defaults.weight), SHRINKS.index(defaults.median_shrink)
    return Score.at(losses, *chosen), Score.at(losses, 0, 0)


def _report(study: Study, cells: CellGrid, plan: SearchPlan, on_progress: OnProgress) -> None:
    done = finished(study, plan.n_trials)
    values = [t.value for t in done if t.state is TrialState.COMPLETE and t.value is not None]
    pruned = sum(t.state is TrialState.PRUNED for t in done)
    best = min(values, default=None)
    on_progress(StudyProgress(cells.horizon, len(done), plan.n_trials, pruned, best))


def _outcome(
    study: Study, cells: CellGrid, plan: SearchPlan, pool: CellPool, baseline: Score, empirical: Score
) -> StudyOutcome:
    # A longer study of the same name may be there already: these are its first slots.
    done = finished(study, plan.n_trials)
    complete = sorted(
        (t for t in done if t.state is TrialState.COMPLETE), key=lambda t: (_value(t), slot_of(t))
    )
    finalists: tuple[Finalist, ...] = ()
    correlation = None
    best, score = complete[0], Score(**complete[0].user_attrs["score"])
    if plan.proxy and not plan.grid:
        finalists = tuple(
            Finalist(
                slot_of(t),
                _value(t),
                Score.best(cells.all_rungs(settings_at(t.params, plan.seed), pool)),
            )
            for t in complete[: plan.finalists]
        )
        winner = min(range(len(finalists)), key=lambda i: finalists[i].full.pinball_standardised)
        best, score = complete[winner], finalists[winner].full
        correlation = _rank_correlation(finalists)
    seeded = not plan.grid and slot_of(best) >= len(plan.first_points(cells.horizon))
    return StudyOutcome(
        study.study_name,
        cells.horizon,
        _tuned(best.params, score, plan),
        score,
        baseline,
        empirical,
        len(done),
        sum(t.state is TrialState.PRUNED for t in done),
        len(study.get_trials(deepcopy=False, states=(TrialState.FAIL,))),
        sampler_seed(plan.seed, cells.horizon, slot_of(best)) if seeded else None,
        finalists,
        correlation,
        slot_of(best),
        tuple(done),
    )


def _tuned(params: dict[str, Any], score: Score, plan: SearchPlan) -> TunedSettings:
    free = {"weight": score.weight, "median_shrink": score.median_shrink}
    return settings_at(params | free, plan.seed)


def _rank_correlation(finalists: tuple[Finalist, ...]) -> float | None:
    """Spearman's correlation of proxy and full losses; None where fewer than three or a tie of all."""
    proxy = np.argsort(np.argsort([f.proxy_pinball_standardised for f in finalists]))
    full = np.argsort(np.argsort([f.full.pinball_standardised for f in finalists]))
    return float(np.corrcoef(proxy, full)[0, 1]) if len(finalists) >= 3 else None


def _value(trial: FrozenTrial) -> float:
    value = trial.value
    if value is None:
        raise RuntimeError(f"expected a value of complete trial {trial.number}, found none")
    return value
