"""How every horizon of a bundle is trained and calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from contracts.model.grid import HORIZONS
from offline.calibration.choice import CalibrationChoice
from offline.train.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """`default` for every horizon that is not in `tuned`; its folds and threads for all of them.

    `calibration` names the calibrator of a horizon; adaptive CQR where it is silent. `searches` tells of the
    search that tuned a horizon: best_pinball, n_trials, n_pruned.
    """

    default: TrainSettings = TrainSettings()  # noqa: RUF009 - frozen
    tuned: Mapping[int, TrainSettings] = field(default_factory=lambda: MappingProxyType({}))
    calibration: Mapping[int, CalibrationChoice] = field(default_factory=lambda: MappingProxyType({}))
    searches: Mapping[int, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if unknown := sorted({*self.tuned, *self.calibration, *self.searches} - set(HORIZONS)):
            raise ValueError(f"expected horizons among {HORIZONS}, found {unknown}")

    @classmethod
    def of(cls, settings: Self | TrainSettings | None) -> Self:
        """A plan as it is, or the one that trains every horizon with these settings."""
        if isinstance(settings, cls):
            return settings
        return cls(settings if isinstance(settings, TrainSettings) else TrainSettings())

    @property
    def folds(self) -> int:
        """Calendar blocks that give held-out scores."""
        return self.default.folds

    @property
    def threads(self) -> int | None:
        """Fits at once; None is one for each core."""
        return self.default.threads

    def settings(self, horizon: int) -> TrainSettings:
        """What fits the boosters of a horizon."""
        chosen = self.tuned.get(horizon, self.default)
        return replace(chosen, folds=self.default.folds, threads=self.default.threads)

    def choice(self, horizon: int) -> CalibrationChoice:
        """What calibrates a horizon."""
        return self.calibration.get(horizon, CalibrationChoice())

    def to_json(self) -> dict[str, Any]:
        """All that decides the result, by horizon, as it stands in the manifest."""
        return {
            f"T{horizon}": self.settings(horizon).to_json()
            | {
                "tuned": horizon in self.tuned,
                "hpo": dict(self.searches[horizon]) if horizon in self.searches else None,
                "calibration": self.choice(horizon).to_json(),
            }
            for horizon in HORIZONS
        }
