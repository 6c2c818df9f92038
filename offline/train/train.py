"""From a dataset to trained heads: fit, then calibrate on held-out scores."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from contracts.model.predictor import Head
from offline.calibration import HeldOut, fit_calibrators
from offline.dataset import Dataset, Progress, no_progress
from offline.metrics import hits, pinball
from offline.train.cross_fit import CrossFit, cross_fit
from offline.train.plan import TrainPlan
from offline.train.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """One horizon, fitted and calibrated, with what it scored on held-out rows."""

    head: Head
    boosters: list[lgb.Booster]
    metrics: dict[str, float]
    held_out: HeldOut
    """The rows those scores are of, before calibration."""


def train(
    dataset: Dataset,
    settings: TrainPlan | TrainSettings | None = None,
    progress: Progress = no_progress,
) -> tuple[TrainedHead, ...]:
    """Fit four horizons × five quantiles and calibrate each horizon, symbol by symbol.

    Calibration scores come from purged calendar folds: each row is scored by models that saw no label
    overlapping its own, while the models that ship learn from every row. On 2021–2023 this costs 0.1 %
    pinball against no calibration; holding out the last fifth costs 0.9 % (six symbols, T = 42).

    Raises:
        ValueError: a purged fold has nothing to train on: too little history.
    """
    plan = TrainPlan.of(settings)
    return tuple(_head(fit, plan) for fit in cross_fit(dataset, plan, progress))


def _head(fit: CrossFit, plan: TrainPlan) -> TrainedHead:
    held, settings = fit.held_out, plan.settings(fit.horizon)
    calibrators = fit_calibrators(plan.choice(fit.horizon), held)
    empirical = dict(zip(held.symbols, fit.empirical, strict=True))
    head = Head(fit.horizon, empirical, settings.weight, settings.median_shrink, calibrators)
    q_hats = [calibrator.q_hat for calibrator in calibrators.values()]
    metrics = {
        "independent_outcomes": float(fit.independent_outcomes),
        "pinball_standardised": float(np.mean(pinball(held.targets, held.raw))),
        "coverage_90_uncalibrated": float(np.mean(hits(held.targets, held.raw, 0.90))),
        "coverage_50_uncalibrated": float(np.mean(hits(held.targets, held.raw, 0.50))),
        "crossing_rate_before_rearrangement": fit.crossing_rate,
        "q_hat_90": float(np.mean([one[0.90] for one in q_hats])),
        "q_hat_50": float(np.mean([one[0.50] for one in q_hats])),
        "rows": float(len(held)),
    }
    return TrainedHead(head, fit.boosters, metrics, held)
