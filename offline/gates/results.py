"""What the gates read of `results.json`; its schema is told in `offline.validate.report`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.events.base import UtcTime
from offline.gates.source import Source, parse, read_json

RESULTS_SCHEMA = "validation/1"
SHARES = ("coverage_90", "coverage_50", "crossing_rate", "calibration_error")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=False)


class Told(_Told):
    """An estimate: value, interval, and how many outcomes it rests on."""

    value: float | None
    low: float | None
    high: float | None
    n: int = Field(ge=0)
    n_effective: int = Field(ge=0)
    reason: str | None


class Scores(_Told):
    """One horizon's walk-forward scores, pooled or of one symbol."""

    coverage_90: Told
    coverage_50: Told
    crossing_rate: Told
    calibration_error: Told
    pinball: Told
    winkler_90: Told
    winkler_90_to_har_rv: Told
    mae: Told
    ic: Told

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name).value
            low, high = (-1, 1) if name == "ic" else (0, 1 if name in SHARES else math.inf)
            if value is not None and not low <= value <= high:
                raise ValueError(f"expected {name} from {low} to {high}, found {value}")
        return self


class FoldScores(_Told):
    """One fold of the purged cross-validation."""

    n_effective: int = Field(ge=0)
    pinball: float | None
    pinball_to_har_rv: float | None
    coverage_90: float | None


class Folds(_Told):
    """One horizon's folds, and their means, which must follow from them."""

    folds: tuple[FoldScores, ...]
    pinball: float | None
    coverage_90: float | None
    variance_between_folds: float | None

    @model_validator(mode="after")
    def _follows(self) -> Self:
        ratios = self.values("pinball_to_har_rv")
        spread = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else None
        for name, told, due in (
            ("pinball", self.pinball, _mean(self.values("pinball"))),
            ("coverage_90", self.coverage_90, _mean(self.values("coverage_90"))),
            ("variance_between_folds", self.variance_between_folds, spread),
        ):
            if (told is None) != (due is None) or not math.isclose(told or 0, due or 0, rel_tol=1e-9):
                raise ValueError(f"expected {name} {due}, which follows from the folds, found {told}")
        return self

    def values(self, name: str) -> list[float]:
        """A score of every fold that has one."""
        return [value for fold in self.folds if (value := getattr(fold, name)) is not None]


class Cpcv(_Told):
    """The cross-validation."""

    settings: dict[str, Any]
    horizons: dict[str, Folds]


class WindowCount(_Told):
    """How many bands a window issued, and how many have a score."""

    bands: int = Field(ge=0)
    n: int = Field(ge=0)


class WindowScores(_Told):
    """One window's counts by horizon and scope."""

    scores: dict[str, dict[str, WindowCount]]


class BarsTold(_Told):
    """Which bars of one symbol were validated."""

    bars: int = Field(gt=0)
    first_open_time: UtcTime
    last_open_time: UtcTime
    sha256: str


class RunSettings(_Told):
    """How the run trained."""

    train: dict[str, Any]


class Results(_Told):
    """A validation run."""

    settings: RunSettings
    symbols: tuple[str, ...]
    leader: str | None
    bars: dict[str, BarsTold]
    windows: tuple[WindowScores, ...]
    overall: dict[str, dict[str, Scores]]
    cpcv: Cpcv | None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if set(self.bars) != set(self.symbols):
            raise ValueError(f"expected bars of each of {self.symbols}, found {tuple(self.bars)}")
        for horizon, scopes in self.overall.items():
            if missing := {"pooled", *self.symbols} - set(scopes):
                raise ValueError(f"expected scores of {sorted(missing)} at overall.{horizon}, found none")
        return self


def read_results(path: Path) -> tuple[Source, Results]:
    """The results of a validation run.

    Raises:
        BadInputError: no such file, NaN in it, another schema, a missing or impossible score, or means
            that do not follow from their folds.
    """
    source, told = read_json(path, "results of `bands validate`", RESULTS_SCHEMA)
    return source, parse(Results, told, "results.json", path)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
