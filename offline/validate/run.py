"""A validation run from bars to files: walk forward, score, write; resumable window by window."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.model.candle import History
from contracts.model.grid import HORIZONS, iso
from contracts.model.intake import DEFAULT_MAX_GAP_BARS
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, Progress, build_dataset, no_progress
from offline.train import TrainPlan, TrainSettings, training_key
from offline.validate.cpcv import CpcvSettings, cross_validate
from offline.validate.refit import serve_window, window_rows
from offline.validate.report import (
    RESULTS_SCHEMA,
    bars_told,
    predictions_frame,
    write_predictions,
    write_results,
)
from offline.validate.scores import HorizonRows, HorizonScores
from offline.validate.served import Served
from offline.validate.store import WindowStore, key_of
from offline.validate.windows import WalkForwardSettings, Window, plan_windows

METHOD = "walk-forward, 3"
"""Raise the number when the same input gives other bands, so that finished windows are not reused."""

RESULTS, PREDICTIONS, WINDOWS = "results.json", "predictions.parquet", "windows"


@dataclass(frozen=True, slots=True)
class Validation:
    """A finished run: what `results.json` holds, how many windows were reused, and what took how long."""

    folder: Path
    results: dict[str, Any]
    reused_windows: int
    seconds: dict[str, float]


def validate(
    histories: Sequence[History],
    folder: Path,
    *,
    settings: WalkForwardSettings | None = None,
    train_settings: TrainPlan | TrainSettings | None = None,
    leader: str | None = None,
    horizons: Sequence[int] = HORIZONS,
    cpcv: CpcvSettings | None = None,
    max_gap_bars: int = DEFAULT_MAX_GAP_BARS,
    progress: Progress = no_progress,
) -> Validation:
    """Walk forward over `histories` and write `results.json` and `predictions.parquet` into `folder`.

    Every window is kept in `folder/windows` when it is finished, under a hash of all that decides it:
    the bars that close by its end, settings, span and method. A second run computes only what is missing or
    not as it was written.

    Raises `ValueError` for an unknown horizon and for too little history, saying what to change.
    """
    settings, plan = settings or WalkForwardSettings(), TrainPlan.of(train_settings)
    if unknown := sorted(set(horizons) - set(HORIZONS)):
        raise ValueError(f"expected horizons among {HORIZONS}, found {unknown}")
    if not horizons:
        raise ValueError(f"expected at least one horizon of {HORIZONS}, found none")
    chosen = sorted(set(horizons))
    clock = time.perf_counter
    marks = [clock()]
    dataset = build_dataset(
        histories, FeatureSpec(leader=leader), max_gap_bars=max_gap_bars, progress=progress
    )
    windows = plan_windows(dataset, settings)
    folder.mkdir(parents=True, exist_ok=True)
    store = WindowStore(folder / WINDOWS)
    marks.append(clock())
    served: list[Served] = []
    keys: list[str] = []
    reused = 0
    for window in windows:
        progress("walk-forward windows", window.number - 1, len(windows))
        key = key_of(
            {
                "method": METHOD,
                "training": training_key(
                    [history.between(None, window.stop) for history in histories],
                    plan,
                    leader,
                    max_gap_bars,
                ),
                "symbols": dataset.symbols,
                "window_days": settings.window_days,
                "span": [window.start, window.stop],
            }
        )
        keys.append(key)
        name = iso(window.start).replace(":", "")
        kept = store.load(name, key)
        if kept is not None:
            served.append(Served.from_arrays(kept))
            reused += 1
            continue
        served.append(
            serve_window(
                dataset,
                histories,
                window,
                settings,
                plan,
                progress,
            )
        )
        store.save(name, key, served[-1].to_arrays())
    progress("walk-forward windows", len(windows), len(windows))
    marks.append(clock())
    folds = None
    if cpcv is not None:
        folds = cross_validate(dataset, histories, cpcv, plan, chosen, store, progress)
    marks.append(clock())
    rows = [_horizon_rows(dataset, histories, windows, served, horizon) for horizon in chosen]
    results = {
        "schema": RESULTS_SCHEMA,
        "settings": {
            "walk_forward": settings.to_json(),
            "train": plan.to_json(),
        },
        "symbols": list(dataset.symbols),
        "horizons": chosen,
        "leader": leader,
        "bars": bars_told(histories),
        **_scored(rows, windows, keys, progress),
        "cpcv": folds,
    }
    write_predictions(predictions_frame(rows, histories), folder / PREDICTIONS)
    write_results(results, folder / RESULTS)
    marks.append(clock())
    names = ("features", "windows", "cpcv", "scores")
    seconds = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return Validation(folder, results, reused, seconds)


def _horizon_rows(
    dataset: Dataset,
    histories: Sequence[History],
    windows: Sequence[Window],
    served: Sequence[Served],
    horizon: int,
) -> HorizonRows:
    h = HORIZONS.index(horizon)
    at = np.concatenate([window_rows(dataset, histories, window) for window in windows])
    if not len(at):
        raise ValueError(
            "expected bars to predict in at least one window, found none; use an earlier --start "
            "or more history"
        )
    issued = np.concatenate([one.issued[:, h] for one in served])
    quantiles = issued * (dataset.sigma[at] * np.sqrt(horizon))[:, None]
    # A band of infinite width is not emitted, so there is none to score.
    quantiles[~np.isfinite(quantiles).all(axis=1)] = np.nan
    return HorizonRows(
        horizon,
        dataset.symbols,
        dataset.symbol[at],
        dataset.close_time[at],
        np.concatenate([one.crossing[:, h] for one in served]),
        quantiles,
        dataset.returns[at, h],
        {
            "har_rv": np.concatenate([one.har_rv[:, h] for one in served]),
            "ewma_ecdf": np.concatenate([one.ewma_ecdf[:, h] for one in served]),
        },
    )


def _scored(
    rows: Sequence[HorizonRows], windows: Sequence[Window], keys: Sequence[str], progress: Progress
) -> dict[str, Any]:
    scores = {f"T{one.horizon}": HorizonScores(one) for one in rows}
    overall = {}
    for done, (name, one) in enumerate(scores.items(), 1):
        overall[name] = one.overall()
        progress("bootstrap intervals", done, len(scores))
    return {
        "windows": [
            {
                "number": window.number,
                "start": iso(window.start),
                "stop": iso(window.stop),
                "key": key,
                "scores": {name: one.window(window.start, window.stop) for name, one in scores.items()},
            }
            for window, key in zip(windows, keys, strict=True)
        ],
        "overall": overall,
    }
