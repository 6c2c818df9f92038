"""One horizon's study: ask, fit rung by rung, prune between rungs, tell; resumable at any moment.

Trials are serial, the cells of a rung parallel. Whatever a trial needs to know stands in the storage when
it starts, so the trial after n finished ones is the same whether or not the process died in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from offline.hpo.cells import N_FOLDS, CellGrid, Score
from offline.hpo.pool import CellPool
from offline.hpo.sampling import FINISHED, FixedPoint, RungPruner, sampler_seed, tpe
from offline.hpo.settings import TunedSettings
from offline.hpo.space import SHRINKS, SPACE, START, WEIGHTS, grid_points, settings_at
from offline.train.settings import TrainSettings

REDUCTION_FACTOR = 3
"""Rungs of 1 and 3 of 5: a third goes on after five cells, a ninth after fifteen, 89 % pruned in the end."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What is searched and how; everything but `trials` decides what a trial is.

    `proxy` searches with fast fits and refits the best `finalists` in full. `grid` walks a plain grid
    without pruning instead, and `trials` and `proxy` then count for nothing.
    """

    trials: int = 50
    seed: int = 7
    reduction_factor: int = REDUCTION_FACTOR
    grid: bool = False
    proxy: bool = False
    finalists: int = 5
    embargo_bars: int = 0

    def __post_init__(self) -> None:
        if self.trials < 1 or self.reduction_factor < 2 or self.finalists < 1:
            raise ValueError(
                "expected at least one trial, a reduction factor of two and one finalist, found "
                f"{self.trials}, {self.reduction_factor} and {self.finalists}"
            )

    @property
    def method(self) -> str:
        """`tpe-asha`, `tpe-asha-proxy` or `grid`."""
        return "grid" if self.grid else "tpe-asha-proxy" if self.proxy else "tpe-asha"

    @property
    def n_trials(self) -> int:
        """How many finished trials there are at the end."""
        return len(grid_points()) if self.grid else self.trials


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

    number: int
    proxy_pinball_standardised: float
    full: Score


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """A finished study: its best point with what it scored, and what it is to be compared with."""

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
) -> StudyOutcome:
    """Run the trials that are missing and say what came out.

    Raises:
        StoppedError: the pool was stopped; what was finished is kept.
    """
    pruner: BasePruner = NopPruner() if plan.grid else RungPruner(plan.reduction_factor)
    study = optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)
    # A killed run leaves its trial running for ever, and the sampler would reckon with it.
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    baseline, empirical = _references(cells, plan, pool)
    _report(study, cells, plan, on_progress)
    while len(done := finished(study)) < plan.n_trials:
        study.sampler = _sampler(plan, cells.horizon, len(done))
        _run_trial(study, cells, plan, pool)
        _report(study, cells, plan, on_progress)
    return _outcome(study, cells, plan, pool, baseline, empirical)


def finished(study: Study) -> list[FrozenTrial]:
    """Complete and pruned trials, in order."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def _sampler(plan: SearchPlan, horizon: int, n_finished: int) -> BaseSampler:
    if plan.grid:
        return FixedPoint(grid_points()[n_finished])
    return tpe(plan.seed, horizon, n_finished) if n_finished else FixedPoint(START)


def _run_trial(study: Study, cells: CellGrid, plan: SearchPlan, pool: CellPool) -> None:
    n_finished = len(finished(study))
    trial = study.ask(fixed_distributions=SPACE)
    settings = settings_at(trial.params, plan.seed)
    fitted = settings.proxy() if plan.proxy else settings
    losses = []
    for rung in range(N_FOLDS):
        losses += cells.rung(fitted, rung, pool)
        score = Score.best(losses)
        trial.report(score.pinball_standardised, rung + 1)
        if rung + 1 < N_FOLDS and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    trial.set_user_attr("score", asdict(score))
    trial.set_user_attr("n_finished_before", n_finished)
    study.tell(trial, score.pinball_standardised)


def _references(cells: CellGrid, plan: SearchPlan, pool: CellPool) -> tuple[Score, Score]:
    """The default settings with their own blend, and the empirical quantiles alone, on the same cells."""
    defaults = TrainSettings()
    losses = cells.all_rungs(TunedSettings(seed=plan.seed), pool)
    chosen = WEIGHTS.index(defaults.weight), SHRINKS.index(defaults.median_shrink)
    return Score.at(losses, *chosen), Score.at(losses, 0, 0)


def _report(study: Study, cells: CellGrid, plan: SearchPlan, on_progress: OnProgress) -> None:
    done = finished(study)
    values = [t.value for t in done if t.state is TrialState.COMPLETE and t.value is not None]
    pruned = sum(t.state is TrialState.PRUNED for t in done)
    best = min(values, default=None)
    on_progress(StudyProgress(cells.horizon, len(done), plan.n_trials, pruned, best))


def _outcome(
    study: Study, cells: CellGrid, plan: SearchPlan, pool: CellPool, baseline: Score, empirical: Score
) -> StudyOutcome:
    # A longer study of the same name may be there already: these are its first trials.
    done = finished(study)[: plan.n_trials]
    complete = sorted(
        (t for t in done if t.state is TrialState.COMPLETE), key=lambda t: (_value(t), t.number)
    )
    finalists: tuple[Finalist, ...] = ()
    correlation = None
    best, score = complete[0], Score(**complete[0].user_attrs["score"])
    if plan.proxy and not plan.grid:
        finalists = tuple(
            Finalist(
                t.number,
                _value(t),
                Score.best(cells.all_rungs(settings_at(t.params, plan.seed), pool)),
            )
            for t in complete[: plan.finalists]
        )
        winner = min(range(len(finalists)), key=lambda i: finalists[i].full.pinball_standardised)
        best, score = complete[winner], finalists[winner].full
        correlation = _rank_correlation(finalists)
    before: int = best.user_attrs["n_finished_before"]
    seeded = not plan.grid and before > 0
    return StudyOutcome(
        cells.horizon,
        _tuned(best.params, score, plan),
        score,
        baseline,
        empirical,
        len(done),
        sum(t.state is TrialState.PRUNED for t in done),
        len(study.get_trials(deepcopy=False, states=(TrialState.FAIL,))),
        sampler_seed(plan.seed, cells.horizon, before) if seeded else None,
        finalists,
        correlation,
    )


def _tuned(params: dict[str, Any], score: Score, plan: SearchPlan) -> TunedSettings:
    blend = {"weight": score.weight, "median_shrink": score.median_shrink}
    return settings_at(params | blend, plan.seed)


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
