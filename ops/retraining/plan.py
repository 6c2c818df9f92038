"""What one retraining run is to do, settled once: a resumed run does the very same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.calibration.compare import BURN_IN_DAYS
from offline.ingest import write_bars
from ops.pipeline import PipelineOptions
from ops.pipeline.work import ROWLESS_BARS
from ops.retraining.champion import FIRST_VERSION, Served, next_minor
from ops.settings import Settings
from ops.training import choose_leader

PLAN = "retraining.json"
BARS = "bars"
DAY_SECONDS = 86_400
FEWEST_TUNING_BARS = 2 * ROWLESS_BARS
"""Bars to leave for tuning before the validation: half of them give labelled rows."""
CALIBRATED_FROM_DAYS = BURN_IN_DAYS + 90
"""Days of bars to compare calibrators on: the burn-in, and the sixty days before the first row."""


class RetrainPlan(BaseModel):
    """`retraining.json`, schema `retraining/1`; times in epoch seconds, `start` None is half way."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)

    schema_: Literal["retraining/1"] = Field(default="retraining/1", alias="schema")
    version: str
    replaces: str | None
    symbols: tuple[str, ...]
    leader: str | None
    start: int | None
    calibrate: bool
    trials: int
    search_from: dict[int, dict[str, Any]]

    def options(self, folder: Path, alias: str, policy: Path | None) -> PipelineOptions:
        """The pipeline of this run; what nobody needs of a challenger is left out."""
        return PipelineOptions(
            bars=(folder / BARS,),
            symbols=self.symbols,
            leader=self.leader or "none",
            start=self.start,
            trials=self.trials,
            calibrate=self.calibrate,
            version=self.version,
            alias=alias,
            policy=policy,
            search_from=self.search_from,
            leave_out=("report", "package"),
        )


def settle(
    histories: Sequence[History], served: Served | None, settings: Settings, leader: str | None = None
) -> RetrainPlan:
    """What to do with these bars. Version and leader follow the champion's, and the search starts from it.

    Raises:
        ValueError: the `leader` asked for is not among the symbols.
    """
    symbols = tuple(history.symbol for history in histories)
    if leader is None and served is not None:
        leader = served.leader if served.leader in symbols else "none" if served.leader is None else None
    first = min(int(history.open_time[0]) for history in histories)
    last = max(int(history.open_time[-1]) for history in histories) + BAR_SECONDS
    start: int | None = last - settings.retrain.validation_days * DAY_SECONDS
    most = max(len(history.between(None, start)) for history in histories)
    if most < FEWEST_TUNING_BARS:
        start = None
    tuned_until = (first + last) // 2 if start is None else start
    return RetrainPlan(
        version=FIRST_VERSION if served is None else next_minor(served.version),
        replaces=None if served is None else served.label,
        symbols=symbols,
        leader=choose_leader(symbols, leader),
        start=start,
        calibrate=settings.retrain.calibrate and tuned_until - first > CALIBRATED_FROM_DAYS * DAY_SECONDS,
        trials=settings.retrain.trials,
        search_from={} if served is None else served.points,
    )


def keep(plan: RetrainPlan, histories: Sequence[History], folder: Path) -> None:
    """Write the bars and then the plan: a plan that is there has all its bars."""
    shutil.rmtree(folder / BARS, ignore_errors=True)
    for history in histories:
        write_bars(history, folder / BARS / f"{history.symbol}.parquet")
    write_atomic(folder / PLAN, plan.model_dump_json(indent=2).encode() + b"\n")


def kept(folder: Path) -> RetrainPlan | None:
    """The plan of a run that has begun; None before.

    Raises:
        BadInputError: the file is not one.
    """
    file = folder / PLAN
    try:
        return RetrainPlan.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BadInputError(f"expected a retraining plan in {file}, found: {error}; remove it") from error
