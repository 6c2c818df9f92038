"""The whole search: one study per horizon, side by side where there are cores for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import lightgbm as lgb
import optuna

from contracts.errors import BadInputError
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from offline.dataset import Dataset
from offline.hpo.cells import CellGrid
from offline.hpo.plan import SearchPlan
from offline.hpo.pool import CellPool
from offline.hpo.results import params_path, refuse_others, result_json, write_result
from offline.hpo.space import describe_space
from offline.hpo.storage import crew_at, open_storage
from offline.hpo.study import OnProgress, StudyOutcome, no_report, run_study
from offline.ingest import history_sha256

METHOD = "latin cells, 3"
"""Raise the number when the same study would run otherwise, so that old trials are not continued."""
OnOutcome = Callable[[StudyOutcome], None]


def search(
    dataset: Dataset,
    histories: Sequence[History],
    horizons: Sequence[int],
    plan: SearchPlan,
    folder: Path,
    pool: CellPool,
    *,
    storage: str | Path | None = None,
    replace: bool = False,
    on_progress: OnProgress = no_report,
    on_outcome: OnOutcome = lambda _: None,
) -> list[Path]:
    """Tune each horizon and write its result file; the files, in the order of `horizons`.

    The same call after any interruption goes on where it was, and ends with the same files. `storage`
    is a journal file (default: `journal.log` in `folder`) or a Redis URL. `on_outcome` hears of each
    finished study, after its file is written. `replace` allows the results of another study, that is of
    other bars or settings, to be overwritten.

    Raises:
        BadInputError: too little history, a damaged journal, one that another run is using, or `folder`
            holds another study's results.
        OSError: a file can not be written; what was there is as it was.
        RedisError: the server of the storage does not answer; what was finished is kept.
    """
    unknown = sorted(set(horizons) - set(HORIZONS))
    if unknown or not horizons or len(set(horizons)) != len(horizons):
        raise ValueError(f"expected distinct horizons among {HORIZONS}, found {tuple(horizons)}")
    data = _data(histories, dataset)
    names = {horizon: f"T{horizon}-{plan.method}-{study_key(data, plan)}" for horizon in horizons}
    if not replace:
        refuse_others(folder, names, grid=plan.grid)
    grids = {
        horizon: CellGrid(dataset, horizon, n_folds=plan.folds, embargo_bars=plan.embargo_bars)
        for horizon in horizons
    }
    place = storage or folder / "journal.log"
    with open_storage(place) as journal, crew_at(place) as crew:

        def one(horizon: int) -> Path:
            cells = grids[horizon]
            outcome = run_study(journal, names[horizon], cells, plan, pool, on_progress, crew)
            result = result_json(outcome, cells, plan, {**data, "study": outcome.name})
            file = write_result(params_path(folder, horizon, grid=plan.grid), result)
            on_outcome(outcome)
            return file

        return _side_by_side(one, horizons, pool, plan.folds)


def study_key(data: dict[str, Any], plan: SearchPlan) -> str:
    """What decides a trial, as 12 hexadecimal digits: other bars or settings are another study."""
    told = {
        "data": data,
        "seed": plan.seed,
        "reduction_factor": plan.reduction_factor,
        "folds": plan.folds,
        "embargo_bars": plan.embargo_bars,
        "space": describe_space(grid=plan.grid),
        "method": METHOD,
        "lightgbm": lgb.__version__,
        "optuna": optuna.__version__,
    }
    if plan.starts and not plan.grid:
        told["starts"] = {f"T{horizon}": dict(point) for horizon, point in sorted(plan.starts.items())}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _side_by_side(
    one: Callable[[int], Path], horizons: Sequence[int], pool: CellPool, folds: int
) -> list[Path]:
    """A rung keeps a core per fold busy: more cores run more studies. Any error ends them all."""
    at_once = min(len(horizons), max(1, pool.workers // folds))
    with ThreadPoolExecutor(at_once, thread_name_prefix="study") as studies:
        futures = [studies.submit(one, horizon) for horizon in horizons]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            pool.stop()
            for future in futures:
                future.cancel()
            raise


def _data(histories: Sequence[History], dataset: Dataset) -> dict[str, Any]:
    if empty := [history.symbol for history in histories if not len(history)]:
        raise BadInputError(f"expected bars of every symbol, found none of {', '.join(empty)}; leave it out")
    per_symbol = {
        history.symbol: {
            "bars": len(history),
            "first_open_time": iso(int(history.open_time[0])),
            "last_close_time": iso(int(history.open_time[-1]) + BAR_SECONDS),
            "sha256": history_sha256(history),
        }
        for history in histories
    }
    told = {"symbols": per_symbol, "features": dataset.spec.sha256, "max_gap_bars": dataset.max_gap_bars}
    whole = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {"sha256": whole, "leader": dataset.spec.leader, **told}
