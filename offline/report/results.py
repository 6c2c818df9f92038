"""What the report reads of `results.json` (`validation/1`, see `offline.validate.report`)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Estimate(_Read):
    """A value with its block-bootstrap interval and effective sample size; None with a reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int = 0
    n_effective: int = 0
    reason: str | None = None


class Window(_Read):
    """One refit and the plain scores of the bands it issued: horizon → scope → score."""

    number: int
    start: str
    stop: str
    scores: dict[str, dict[str, dict[str, Any]]]

    def score(self, horizon: str, name: str) -> float | None:
        """A pooled score of this window, None where there is none."""
        value = self.scores.get(horizon, {}).get("pooled", {}).get(name)
        return float(value) if isinstance(value, int | float) else None


class Fold(_Read):
    """One fold of purged cross-validation."""

    fold: int
    first: str
    last: str
    n: int
    n_effective: int
    pinball: float | None
    pinball_to_har_rv: float | None
    coverage_90: float | None
    coverage_50: float | None


class FoldSummary(_Read):
    """Means over folds of one horizon and the spread of the ratio to HAR-RV between them."""

    folds: list[Fold]
    pinball: float | None
    pinball_to_har_rv: float | None
    coverage_90: float | None
    coverage_50: float | None
    variance_between_folds: float | None


class Cpcv(_Read):
    """Purged cross-validation, by horizon."""

    settings: dict[str, Any] = Field(default_factory=dict)
    horizons: dict[str, FoldSummary]


class Bars(_Read):
    """Which bars of a symbol the run has seen."""

    bars: int
    first_open_time: str
    last_open_time: str
    sha256: str


class Settings(_Read):
    """How the walk-forward ran."""

    walk_forward: dict[str, Any]
    train: dict[str, Any]


class Results(_Read):
    """A walk-forward's results."""

    settings: Settings
    symbols: list[str] = Field(min_length=1)
    horizons: list[int] = Field(min_length=1)
    leader: str | None
    bars: dict[str, Bars]
    windows: list[Window] = Field(min_length=1)
    overall: dict[str, dict[str, dict[str, Estimate]]]
    cpcv: Cpcv | None

    @property
    def names(self) -> list[str]:
        """`T42` … in order."""
        return [f"T{horizon}" for horizon in self.horizons]

    def estimate(self, horizon: str, scope: str, score: str) -> Estimate:
        """A score of `pooled` or of a symbol; an empty estimate where the run has none."""
        found = self.overall.get(horizon, {}).get(scope, {}).get(score)
        return found or Estimate(value=None, reason="not in results.json")
