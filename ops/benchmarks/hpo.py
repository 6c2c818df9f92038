"""The search beside the plain way of searching: seconds each, and what each is worth on unseen bars."""

from __future__ import annotations

import math
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, iso
from contracts.model.quantiles import correct
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, Progress, build_dataset
from offline.hpo import CellPool, SearchPlan, StudyOutcome, TunedSettings, search
from offline.metrics import bootstrap_ratio, pinball
from offline.train.boosters import Cell, fit_levels, predict_levels
from offline.train.empirical import shrunken_quantiles
from ops.benchmarks.hpo_plain import PlainOutcome, plain_search

UNSEEN_BARS = 2_190
"""The last year: about 52 independent outcomes per symbol, and no search has looked at it."""
TARGET_RATIO = 8.0

T = TypeVar("T")
Array = NDArray[np.float64]


def bench_hpo(
    histories: Sequence[History],
    horizon: int,
    plan: SearchPlan,
    workers: int,
    progress: Progress,
) -> dict[str, Any]:
    """Both searches on all but the last year, one after the other, then both scored on that year.

    Raises:
        ValueError: too little history.
    """
    end = max(int(history.open_time[-1]) for history in histories) + BAR_SECONDS
    cut = end - UNSEEN_BARS * BAR_SECONDS
    seen = [history.between(None, cut) for history in histories]
    searched = build_dataset(seen, FeatureSpec(), progress=progress)
    with tempfile.TemporaryDirectory() as folder:
        outcome, ours = _timed(lambda: _ours(searched, seen, horizon, plan, workers, Path(folder), progress))
        plain, theirs = _timed(
            lambda: plain_search(
                searched,
                horizon,
                plan,
                Path(folder) / "plain.db",
                lambda done: progress("plain search", done, plan.trials),
            )
        )
    whole = build_dataset(histories, FeatureSpec(), progress=progress)
    unseen = _unseen_losses(searched, whole, horizon, cut, [outcome.settings, plain.settings])
    return {
        "symbols": {history.symbol: len(history) for history in seen},
        "searched_until": iso(cut),
        "unseen_until": iso(end),
        "horizon_bars": horizon,
        "trials": plan.trials,
        "folds": plan.folds,
        "embargo_bars": plan.embargo_bars,
        "method": plan.method,
        "processors": os.cpu_count(),
        "fits_at_once": workers,
        "ours": _ours_json(outcome) | ours,
        "plain": _plain_json(plain) | theirs,
        "speed_ratio": theirs["seconds"] / ours["seconds"],
        "cpu_ratio": theirs["cpu_seconds"] / ours["cpu_seconds"],
        "target_ratio": TARGET_RATIO,
        "unseen": unseen,
    }


def _ours(
    dataset: Dataset,
    histories: Sequence[History],
    horizon: int,
    plan: SearchPlan,
    workers: int,
    folder: Path,
    progress: Progress,
) -> StudyOutcome:
    found: list[StudyOutcome] = []
    with CellPool(workers) as pool:
        search(
            dataset,
            histories,
            (horizon,),
            plan,
            folder,
            pool,
            on_progress=lambda state: progress("bands hpo", state.finished, state.total),
            on_outcome=found.append,
        )
    return found[0]


def _timed(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    began, cpu = time.perf_counter(), _cpu_s()
    result = work()
    return result, {"seconds": time.perf_counter() - began, "cpu_seconds": _cpu_s() - cpu}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _ours_json(outcome: StudyOutcome) -> dict[str, Any]:
    return {
        "finished": outcome.n_trials,
        "pruned": outcome.n_pruned,
        "held_out_pinball_standardised": outcome.score.pinball_standardised,
        "best_params": outcome.settings.searched(),
    }


def _plain_json(outcome: PlainOutcome) -> dict[str, Any]:
    return {
        "finished": outcome.finished,
        "pruned": outcome.pruned,
        "held_out_pinball_standardised": outcome.pinball_standardised,
        "best_params": outcome.settings.searched(),
    }


def _unseen_losses(
    searched: Dataset, whole: Dataset, horizon: int, cut: int, found: Sequence[TunedSettings]
) -> dict[str, Any]:
    """Refit once on what was searched, predict the year after; losses of both and their paired ratio."""
    targets = searched.targets(horizon)
    known = np.flatnonzero(np.isfinite(targets))
    actual = whole.targets(horizon)
    at = np.flatnonzero((whole.close_time >= cut) & np.isfinite(actual))
    unit = whole.sigma[at] * math.sqrt(horizon)
    losses = []
    empirical = shrunken_quantiles(targets[known], searched.symbol[known], len(searched.symbols))
    for settings, base in zip(found, (empirical[searched.symbol[known]], None), strict=True):
        boosters = fit_levels(Cell("unseen", searched.rows[known], targets[known], settings, base))
        moves = predict_levels(boosters, whole.rows[at])
        if base is None:  # the plain way learns the quantiles themselves
            moves = moves - empirical[whole.symbol[at]]
        bands = correct(empirical[whole.symbol[at]], moves, settings.weight, settings.median_shrink)
        losses.append(pinball(actual[at], bands).mean(axis=1))
    ours, plain = (_panel(whole, at, loss) for loss in losses)
    ratio = bootstrap_ratio(ours, plain, horizon)
    return {
        "pinball_ours": float(np.mean(losses[0] * unit)),
        "pinball_plain": float(np.mean(losses[1] * unit)),
        "pinball_standardised_ours": float(np.mean(losses[0])),
        "pinball_standardised_plain": float(np.mean(losses[1])),
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "interval_level": ratio.level,
        "independent_outcomes": ratio.n_effective,
        "reason": ratio.reason,
    }


def _panel(dataset: Dataset, at: NDArray[np.int64], loss: Array) -> Array:
    """Losses by calendar bar (rows) and symbol (columns), NaN where there is none."""
    bar = (dataset.close_time[at] - dataset.close_time[at].min()) // BAR_SECONDS
    panel = np.full((int(bar.max()) + 1, len(dataset.symbols)), np.nan)
    panel[bar, dataset.symbol[at]] = loss
    return panel
