"""The whole search of a market, timed: 50 trials for each of four horizons, over as many runs as it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import HORIZONS
from contracts.model.spec import FeatureSpec
from offline.dataset import Progress, build_dataset
from offline.hpo import CellPool, SearchPlan, StudyOutcome, StudyProgress, search

TARGET_S = 1_800.0
"""200 trials of one symbol from 2013 on; the published search took 20,700 s on 20 threads."""


def full_search(
    histories: Sequence[History],
    plan: SearchPlan,
    workers: int,
    folder: Path,
    progress: Progress,
    horizons: Sequence[int] = HORIZONS,
) -> dict[str, Any]:
    """Search all horizons in `folder`, going on where an earlier run stopped, and say what it took.

    The seconds of interrupted runs count, up to each one's last finished trial.

    Raises:
        BadInputError: too little history, or `folder` belongs to another search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _seconds_before(folder)
    began = time.perf_counter()
    outcomes: list[StudyOutcome] = []

    def report(state: StudyProgress) -> None:
        progress(f"T{state.horizon} trials", state.finished, state.total)
        _note(folder, before + time.perf_counter() - began)

    dataset = build_dataset(histories, FeatureSpec(), progress=progress)
    with CellPool(workers) as pool:
        search(
            dataset, histories, horizons, plan, folder, pool, on_progress=report, on_outcome=outcomes.append
        )
    seconds = before + time.perf_counter() - began
    _note(folder, seconds)
    return {
        "folder": str(folder),
        "symbols": {history.symbol: len(history) for history in histories},
        "rows": len(dataset),
        "trials": sum(outcome.n_trials for outcome in outcomes),
        "pruned": sum(outcome.n_pruned for outcome in outcomes),
        "fits_at_once": workers,
        "seconds": seconds,
        "seconds_of_earlier_runs": before,
        "target_seconds": TARGET_S,
        "horizons": {
            f"T{outcome.horizon}": {
                "pinball": outcome.score.pinball,
                "to_defaults": outcome.score.pinball_standardised / outcome.baseline.pinball_standardised,
                "to_empirical": outcome.score.pinball_standardised / outcome.empirical.pinball_standardised,
                "share_pruned": outcome.n_pruned / outcome.n_trials,
                "best_slot": outcome.best_slot,
                "best_params": outcome.settings.searched(),
            }
            for outcome in sorted(outcomes, key=lambda outcome: outcome.horizon)
        },
    }


def _seconds_before(folder: Path) -> float:
    file = folder / "seconds.json"
    if not file.exists():
        return 0.0
    try:
        return float(json.loads(file.read_text())["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"expected the seconds of earlier runs in {file}, found none: {error}; remove the folder to "
            "measure anew"
        ) from error


def _note(folder: Path, seconds: float) -> None:
    write_atomic(folder / "seconds.json", (json.dumps({"seconds": seconds}) + "\n").encode())
