"""The manifest: what a bundle is, made of, trained on and good for."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.events.base import Symbol, UtcTime
from contracts.model.drift.spec import DriftSpec
from contracts.model.grid import HORIZONS, LEVELS

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.-]{1,32})?$")]


def _plain_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "\\" in path or any(part in {"..", "."} for part in parts) or not parts:
        raise ValueError(f"expected a path inside the bundle, found {path!r}")
    return path


BundlePath = Annotated[str, AfterValidator(_plain_path)]


LARGEST_QUANTILE = 50.0
"""Standard deviations; real 5 % quantiles lie near 2."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class TrainingData(_Frozen):
    """The bars of one symbol a bundle was trained on."""

    first_open_time: UtcTime
    last_open_time: UtcTime
    bars: int = Field(gt=0)
    sha256: Sha256


class HeadSpec(_Frozen):
    """How one horizon's learned quantiles become a band: see `contracts.model.predictor.Head`."""

    horizon_bars: int = Field(gt=0)
    empirical: dict[Symbol, tuple[float, float, float, float, float]]
    """Quantiles of standardised training returns, symbol by symbol."""
    weight: float = Field(ge=0, le=1)
    median_shrink: float = Field(ge=0, le=1)
    calibrator: str

    @model_validator(mode="after")
    def _empirical_is_plausible(self) -> Self:
        for symbol, levels in self.empirical.items():
            if list(levels) != sorted(levels) or max(map(abs, levels)) > LARGEST_QUANTILE:
                raise ValueError(
                    f"expected ascending quantiles within ±{LARGEST_QUANTILE} of {symbol}, found {levels}"
                )
        return self


class FeatureSpecRef(_Frozen):
    """Which features the models were trained on."""

    leader: Symbol | None
    names: tuple[str, ...]
    sha256: Sha256


class Manifest(_Frozen):
    """`manifest.json`: the root of trust of a bundle folder. Its own hash is the bundle's identity."""

    schema_: Literal["bundle/2"] = Field(default="bundle/2", alias="schema")
    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )

    version: Version
    levels: tuple[float, ...]
    symbols: tuple[Symbol, ...] = Field(min_length=1)
    features: FeatureSpecRef
    heads: tuple[HeadSpec, ...] = Field(min_length=1)
    training: dict[Symbol, TrainingData]
    max_gap_bars: int = Field(ge=0)
    """The gap rule the models were trained under; serving follows it."""
    params: dict[str, Any]
    metrics: dict[str, Any]
    drift: DriftSpec | None = None
    """What to watch for drift, and from where on it is one; None in bundles of before."""
    importance: dict[str, tuple[float, ...]] | None = None
    """By horizon, `T42` …, each feature's share of its boosters' gain, in the order of `features.names`."""
    files: dict[BundlePath, Sha256]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.levels != LEVELS:
            raise ValueError(f"expected quantile levels {LEVELS}, found {self.levels}")
        if tuple(head.horizon_bars for head in self.heads) != HORIZONS:
            raise ValueError(f"expected one head for each of {HORIZONS} bars, found {self.heads}")
        if any(set(head.empirical) != set(self.symbols) for head in self.heads):
            raise ValueError(f"expected empirical quantiles of each of {self.symbols} in every head")
        if set(self.training) != set(self.symbols) or len(set(self.symbols)) != len(self.symbols):
            raise ValueError(
                f"expected training data of each of {self.symbols}, found {tuple(self.training)}"
            )
        if self.features.leader is not None and self.features.leader not in self.symbols:
            raise ValueError(f"expected the leader among {self.symbols}, found {self.features.leader}")
        return self
