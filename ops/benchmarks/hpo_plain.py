"""The search most people would write: LightGBM's own wrapper, TPE on SQLite, a report per fold.

Same bars, folds, purging, space and loss as `bands hpo`; everything else is what the manuals show first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import optuna
from optuna.trial import Trial, TrialState

from contracts.model.grid import LEVELS
from contracts.model.quantiles import correct
from offline.dataset import Dataset
from offline.hpo import SearchPlan, TunedSettings
from offline.hpo.claims import suggest
from offline.hpo.space import SHRINKS, WEIGHTS
from offline.metrics import pinball
from offline.split import purged_kfold


@dataclass(frozen=True, slots=True)
class PlainOutcome:
    """What the plain search found: `pinball_standardised` is held out, in σ√T."""

    settings: TunedSettings
    pinball_standardised: float
    finished: int
    pruned: int


def plain_search(
    dataset: Dataset,
    horizon: int,
    plan: SearchPlan,
    database: Path,
    on_trial: Callable[[int], None] = lambda _: None,
) -> PlainOutcome:
    """`plan.trials` trials into the SQLite file `database`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    targets = dataset.targets(horizon)
    known = np.flatnonzero(np.isfinite(targets))
    folds = purged_kfold(dataset.close_time[known], horizon, plan.folds, plan.embargo_bars)

    def objective(trial: Trial) -> float:
        settings = TunedSettings(
            **suggest(trial),
            weight=trial.suggest_categorical("weight", WEIGHTS),
            median_shrink=trial.suggest_categorical("median_shrink", SHRINKS),
            seed=plan.seed,
        )
        losses: list[float] = []
        for number, fold in enumerate(folds):
            train, test = known[fold.train_idx], known[fold.test_idx]
            learned = np.column_stack(
                [
                    _regressor(settings, level, len(train))
                    .fit(dataset.rows[train], targets[train])
                    .predict(dataset.rows[test])
                    for level in LEVELS
                ]
            )
            empirical = np.quantile(targets[train], LEVELS)
            bands = correct(empirical, learned - empirical, settings.weight, settings.median_shrink)
            losses.append(float(pinball(targets[test], bands).mean()))
            trial.report(float(np.mean(losses)), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("settings", settings.searched())
        return float(np.mean(losses))

    study = optuna.create_study(
        storage=f"sqlite:///{database}",
        sampler=optuna.samplers.TPESampler(seed=plan.seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=plan.trials, callbacks=[lambda s, _: on_trial(len(s.trials))])
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    found = TunedSettings(**study.best_trial.user_attrs["settings"])
    return PlainOutcome(found, study.best_value, len(study.trials), pruned)


def _regressor(settings: TunedSettings, level: float, n_rows: int) -> lgb.LGBMRegressor:
    return lgb.LGBMRegressor(
        objective="quantile",
        alpha=level,
        n_estimators=settings.rounds,
        learning_rate=settings.learning_rate,
        max_depth=settings.depth,
        num_leaves=2**settings.depth,
        min_child_samples=max(20, int(settings.leaf_share * n_rows)),
        reg_lambda=settings.lambda_l2,
        colsample_bytree=settings.feature_fraction,
        subsample=settings.bagging_fraction,
        subsample_freq=1,
        random_state=settings.seed,
        verbose=-1,
    )
