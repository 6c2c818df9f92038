"""A finished study as its run in MLflow."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from offline.hpo.claims import slot_of
from offline.hpo.plan import SearchPlan
from offline.hpo.study import StudyOutcome
from offline.tracking import Step, TrackedStudy

MARKER = "trial_pruned"
"""1 or 0, a metric that every trial has."""


def tracked(outcome: StudyOutcome, plan: SearchPlan) -> TrackedStudy:
    """The outcome under the names of the published runs: `best_*`, `best_pinball_loss`, `n_trials`, …

    A trial is the step of its slot; its loss counts in σ√T and is, where it was pruned, the mean over the
    rungs it reached.
    """
    seeds = {"seed": plan.seed}
    if outcome.sampler_seed is not None:
        seeds["best_sampler_seed"] = outcome.sampler_seed
    settings = {"folds": plan.folds, "embargo_bars": plan.embargo_bars, "method": plan.method}
    best = {f"best_{name}": value for name, value in outcome.settings.searched().items()}
    return TrackedStudy(
        name=outcome.name,
        run_name=f"hpo-T{outcome.horizon}",
        params={"horizon_bars": outcome.horizon, **settings, **seeds, **best},
        metrics={
            "best_pinball_loss": outcome.score.pinball,
            "best_pinball_standardised": outcome.score.pinball_standardised,
            "defaults_pinball_standardised": outcome.baseline.pinball_standardised,
            "empirical_pinball_standardised": outcome.empirical.pinball_standardised,
            "n_trials": outcome.n_trials,
            "n_pruned": outcome.n_pruned,
        },
        tags={"stage": "search", "hpo": "true", "horizon": f"T{outcome.horizon}"},
        steps=[_step(trial) for trial in outcome.trials],
        marker=MARKER,
    )


def _step(trial: FrozenTrial) -> Step:
    ended = trial.datetime_complete
    if ended is None:
        raise RuntimeError(f"expected finished trial {trial.number} to have an end, found none")
    rungs = trial.intermediate_values
    return Step(
        slot_of(trial),
        round(ended.timestamp() * 1_000),
        {
            MARKER: float(trial.state is TrialState.PRUNED),
            "trial_pinball_standardised": rungs[max(rungs)],
            "trial_rungs": float(len(rungs)),
            **{f"trial_{name}": float(value) for name, value in trial.params.items()},
        },
    )
