"""The drift part of a manifest: every detector's parameters, and the budget they were calibrated to."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Channel = Literal["width", "coverage", "loss", "pit", "features"]
CHANNELS: tuple[Channel, ...] = ("width", "coverage", "loss", "pit", "features")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class DetectorSpec(_Frozen):
    """One Page-Hinkley detector in River's parameters: Page (1954), Biometrika 41(1/2).

    It starts as if it had seen `start_weight` inputs of mean `start_mean`, those of training, so that a
    break in its first month is seen too. After an alarm it starts from nothing, as River's does.
    """

    channel: Literal["width", "coverage", "loss", "pit"]
    horizon_bars: int | None = Field(default=None, gt=0)
    min_instances: int = Field(ge=1)
    delta: float = Field(ge=0)
    threshold: float = Field(gt=0)
    alpha: float = Field(default=1.0, gt=0, le=1)
    mode: Literal["up", "down", "both"]
    start_mean: float = Field(ge=0, le=1)
    start_weight: int = Field(ge=0)

    @property
    def name(self) -> str:
        """`width`, or channel and horizon: `coverage.T42`."""
        return self.channel if self.horizon_bars is None else f"{self.channel}.T{self.horizon_bars}"


class FeatureDrift(_Frozen):
    """How features are compared with `reference.npz`: every `week_bars` rows, over the last `weeks` weeks.

    `level` is the Benjamini-Hochberg level at which a feature is named.
    """

    week_bars: int = Field(default=42, gt=0, le=60)
    weeks: int = Field(default=4, gt=0)
    level: float = Field(gt=0, lt=1)


class ChannelRate(_Frozen):
    """False alarms per symbol and year: asked for, measured on resampled blocks, and in history as it was.

    History holds true changes too, so its rate is no error rate.
    """

    budget: float = Field(gt=0)
    simulated: float | None = Field(default=None, ge=0)
    history: float | None = Field(default=None, ge=0)


class DriftSpec(_Frozen):
    """All that a worker needs to watch one symbol. One spec serves every symbol of the bundle."""

    schema_: Literal["drift_spec/1"] = Field(default="drift_spec/1", alias="schema")
    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )

    calibrated: bool
    """False when thresholds are defaults for want of history; `note` says so."""
    note: str
    budget_per_year: float = Field(gt=0)
    """False alarms per symbol and year, all channels and horizons together."""
    quiet_bars: int = Field(default=84, ge=0)
    """After a finding its channel, all horizons alike, reports nothing for so long."""
    detectors: tuple[DetectorSpec, ...]
    features: FeatureDrift | None = None
    rates: dict[Channel, ChannelRate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [one.name for one in self.detectors]
        if len(set(names)) != len(names):
            raise ValueError(f"expected one detector for each channel and horizon, found {names}")
        return self
